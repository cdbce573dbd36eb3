"""The command line: what an operator does at a terminal. Also `python -m api.cli`."""

import asyncio
import os
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from api import NAME
from api.doctor.checkup import check_up
from api.doctor.report import as_json, show
from api.usage.cost_command import cost_table
from chassis.project_id import ProjectId

STOPPED = 130
DOCTOR = ProjectId("doctor")

app = typer.Typer(
    name=NAME, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


app.command("cost")(cost_table)


@app.callback()
def commands() -> None:
    """What an operator does at a terminal, with the environment that the service has."""


def project_id(value: str) -> ProjectId:
    try:
        return ProjectId(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def doctor(
    project: Annotated[
        ProjectId, typer.Option(parser=project_id, help="On whose account the call is made.")
    ] = DOCTOR,
    no_spend: Annotated[bool, typer.Option("--no-spend", help="Make no call to a model.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Find out what is wrong: the cause first, how it is known, and what mends it.

    Makes one call of a few tokens.

    Exit code 0: nothing is wrong; 1: a check failed; 2: variables are senseless.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        report = asyncio.Runner().run(check_up(project, spend=not no_spend))
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        leave(STOPPED)
    if json:
        sys.stdout.write(f"{as_json(report)}\n")
    else:
        show(report, Console(highlight=False))
    leave(report.exit_code)


def leave(code: int) -> NoReturn:
    """Ends at once.

    1. A name server that does not answer holds a thread, and Python's own exit waits for it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    app(prog_name=NAME)


if __name__ == "__main__":
    main()
