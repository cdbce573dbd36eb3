"""`runtime-mcp audit`: whether the record is whole, and what comes into it; `tools pins`."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml
from sqlalchemy.exc import SQLAlchemyError

from chassis.logs import configure_logs
from chassis.redaction import redact_output
from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.reading import follow
from runtime_mcp.audit.verify import Head, findings, open_calls
from runtime_mcp.settings import environment
from runtime_mcp.upstreams.config import parse
from runtime_mcp.upstreams.upstreams import offered_pins

CANNOT_BE_READ = 2

app = typer.Typer(no_args_is_help=True, add_completion=False)
audit = typer.Typer(no_args_is_help=True)
tools = typer.Typer(no_args_is_help=True)
app.add_typer(audit, name="audit", help="The record of tool calls.")
app.add_typer(tools, name="tools", help="The tools of the servers behind the gateway.")
Database = Annotated[str, typer.Option(envvar="DATABASE_URL", help="sqlite:///… or postgresql://…")]
Key = Annotated[str, typer.Option(envvar="AUDIT_CHAIN_KEY", help="That the chains are made with.")]
Heads = Annotated[
    list[str], typer.Option("--head", help="<writer>:<sequence>:<hash>, as the log has it.")
]
UpstreamsFile = Annotated[
    Path, typer.Option(envvar="UPSTREAMS_FILE", exists=True, dir_okay=False, help="The servers.")
]


@audit.command()
def verify(database_url: Database, audit_chain_key: Key = "", head: Heads = []) -> None:  # noqa: B006
    """Find what was changed, and what is missing. Exit code 1: something is; 2: cannot be read."""
    key = audit_chain_key.encode()
    sys.exit(read(verified(database_url, key, [head_of(each) for each in head])))


@audit.command()
def tail(
    database_url: Database,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Events before the new.")] = 10,
    follows: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for new.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="All of each event.")] = False,
) -> None:
    """Watch the events as they are recorded. Ctrl-C ends it."""
    with suppress(KeyboardInterrupt):
        sys.exit(read(tailed(database_url, last, follows=follows, as_json=as_json)))


@tools.callback()
def offered() -> None:
    """The tools of the servers behind the gateway."""


@tools.command()
def pins(upstreams_file: UpstreamsFile) -> None:
    """Print a fingerprint for each tool that is offered now. Exit code 1: a server does not say."""
    redact_output()
    # What a server writes goes there, too, and stdout has the pins alone.
    configure_logs("INFO", sys.stderr)
    try:
        config = parse(upstreams_file.read_text(), environment())
    except ValueError as error:
        sys.stderr.write(f"{upstreams_file}: {error}\n")
        sys.exit(2)
    found = asyncio.run(offered_pins(config, environment()))
    known = {name: each for name, each in found.items() if isinstance(each, dict)}
    servers = {name: {"pins": each} for name, each in known.items()}
    sys.stdout.write(yaml.safe_dump({"servers": servers}, sort_keys=False))
    for each in found.values():
        if isinstance(each, Exception):
            sys.stderr.write(f"{each}\n")
    sys.exit(0 if len(known) == len(found) else 1)


async def verified(database_url: str, key: bytes, heads: list[Head]) -> int:
    engine = engine_of(database_url, patience=None)
    wrong = 0
    try:
        async for line in findings(engine, key=key, heads=heads):
            sys.stdout.write(f"{line}\n")
            wrong += 1
        under_way = await open_calls(engine)
    finally:
        await engine.dispose()
    if under_way:
        sys.stdout.write(f"{under_way} calls have no outcome yet: a gateway will say of each.\n")
    sys.stdout.write(f"{wrong} findings\n" if wrong else "The record is whole.\n")
    return 1 if wrong else 0


async def tailed(database_url: str, last: int, *, follows: bool, as_json: bool) -> int:
    engine = engine_of(database_url, patience=None)
    try:
        async for event in follow(engine, last, ends=not follows):
            line = msgspec.json.encode(event).decode() if as_json else line_of(event)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    finally:
        await engine.dispose()
    return 0


def read(work: Any) -> int:
    """The exit code of work that reads a record; where there is none, one line says so."""
    try:
        return int(asyncio.run(work))
    except (SQLAlchemyError, OSError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        sys.stderr.write(f"runtime-mcp: the record cannot be read: {reason}\n")
        return CANNOT_BE_READ


def line_of(event: dict[str, Any]) -> str:
    details = event["details"]
    result = details.get("status") or details.get("reason") or ""
    reason = details.get("error") or details.get("detail") or ""
    whose = f"{event['org_id']}/{event['project_id'] or '-'}"
    words = (event["timestamp"], details["phase"], event["resource_id"], event["actor_id"], whose)
    return "  ".join(word for word in (*words, result, reason) if word)


def head_of(text: str) -> Head:
    writer, sequence, digest = text.split(":")
    return writer, int(sequence), digest


def main() -> None:
    """The command `runtime-mcp`."""
    app()
