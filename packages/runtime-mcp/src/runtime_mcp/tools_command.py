"""`runtime-mcp tools pins`: what the servers offer now, to be read and written into the file."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from chassis.logs import configure_logs
from chassis.redaction import redact_output
from runtime_mcp.settings import environment
from runtime_mcp.upstreams.config import parse
from runtime_mcp.upstreams.offered_pins import offered_pins

tools = typer.Typer(no_args_is_help=True)
UpstreamsFile = Annotated[
    Path, typer.Option(envvar="UPSTREAMS_FILE", exists=True, dir_okay=False, help="The servers.")
]


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
    except (ValueError, yaml.YAMLError) as error:
        sys.stderr.write(f"{upstreams_file}: {error}\n")
        sys.exit(2)
    found = asyncio.run(offered_pins(config, environment()))
    said = {name: {"pins": each} for name, each in found.items() if isinstance(each, dict)}
    sys.stdout.write(yaml.safe_dump({"servers": said}, sort_keys=False))
    for each in found.values():
        if isinstance(each, Exception):
            sys.stderr.write(f"{each}\n")
    sys.exit(0 if len(said) == len(found) else 1)
