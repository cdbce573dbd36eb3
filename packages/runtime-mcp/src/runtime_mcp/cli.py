"""`runtime-mcp audit verify`: whether the record of `DATABASE_URL` is whole; `tools pins`."""

import asyncio
import sys
from typing import Annotated

import typer

from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.verify import findings
from runtime_mcp.tools_command import tools

app = typer.Typer(no_args_is_help=True, add_completion=False)
audit = typer.Typer(no_args_is_help=True)
app.add_typer(audit, name="audit", help="The record of tool calls.")
app.add_typer(tools, name="tools", help="The tools of the servers behind the gateway.")
Database = Annotated[str, typer.Option(envvar="DATABASE_URL", help="sqlite:///… or postgresql://…")]


@audit.callback()
def record() -> None:
    """The record of tool calls."""


@audit.command()
def verify(database_url: Database) -> None:
    """Find what was changed, and what is missing. Exit code 1: something is."""
    sys.exit(asyncio.run(verified(database_url)))


async def verified(database_url: str) -> int:
    engine = engine_of(database_url)
    wrong = 0
    async for line in findings(engine):
        sys.stdout.write(f"{line}\n")
        wrong += 1
    await engine.dispose()
    sys.stdout.write(f"{wrong} findings\n" if wrong else "The record is whole.\n")
    return 1 if wrong else 0


def main() -> None:
    """The command `runtime-mcp`."""
    app()
