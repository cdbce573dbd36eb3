"""The command line: what an operator does at a terminal. Also `python -m api.cli`."""

import typer

from api import NAME
from api.doctor.command import doctor  # removable: doctor
from api.usage.cost_command import cost_table  # removable: usage

app = typer.Typer(
    name=NAME, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.command("cost")(cost_table)  # removable: usage
app.command("doctor")(doctor)  # removable: doctor


@app.callback()
def commands() -> None:
    """What an operator does at a terminal, with the environment that the service has."""


def main() -> None:
    app(prog_name=NAME)


if __name__ == "__main__":
    main()
