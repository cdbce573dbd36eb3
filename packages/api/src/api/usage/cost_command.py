"""The command `cost`: what every project has cost in a month."""

import asyncio
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import msgspec
import typer
from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.errors import GatewayError
from api.gateway.key import GatewayKey
from api.gateway.peer import Gateway
from api.gateway.settings import GatewaySettings
from api.usage.figures import NOT_BOOKED, cost, figures, grouped, notes
from api.usage.ledger import MONTH, BookedMonth, BookedRow, booked_month, this_month
from chassis.settings import SettingsError, load

FAILED, SENSELESS = 1, 2
UNATTRIBUTED = "(unattributed)"
BAR_WIDTH = 20

Month = Annotated[str | None, typer.Option(help="Of UTC, as 2026-11; the present one.")]
AsJson = Annotated[bool, typer.Option("--json", help="What the gateway said, with every row.")]


def cost_table(month: Month = None, as_json: AsJson = False) -> None:
    """What every project has cost in a month, as the gateway has booked it."""
    if month is not None and not re.fullmatch(MONTH, month):
        raise said("--month: not a month as 2026-11", SENSELESS)
    booked = read(month or this_month())
    if as_json:
        sys.stdout.write(msgspec.json.encode(booked).decode() + "\n")
        return
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.print(table_of(booked))
    for note in notes(booked, booked.rows):
        console.print(note)


def read(month: str) -> BookedMonth:
    """
    Raises:
        Exit: there is nothing to show; what is wrong was said.
    """
    try:
        settings = load(GatewaySettings)
        booked = asyncio.run(ask(settings.llm_gateway_url, month, settings.gateway_key()))
    except SettingsError as error:
        raise said("\n".join(error.lines), SENSELESS) from None
    except GatewayError as error:
        raise said(f"{error.detail} ({error.reason}) Do: {error.remedy}.") from None
    if booked is None:
        raise said(NOT_BOOKED)
    return booked


async def ask(url: str, month: str, key: GatewayKey) -> BookedMonth | None:
    async with Gateway(url, key) as gateway:
        return await booked_month(gateway, month)


def table_of(booked: BookedMonth) -> Table:
    """A line for each project, the dearest first, then the sum; dollars are exact."""
    whose = "all replicas" if booked.scope == "replicas" else "one replica"
    title = f"{booked.month}, since {booked.since:%Y-%m-%d %H:%M} UTC, {whose}"
    table = Table(title=title, show_footer=True)
    total = figures(booked.rows)
    table.add_column("project", "total", no_wrap=True)
    for name, footer in (
        ("calls", f"{total.calls:,}"),
        ("tokens in", f"{total.input_tokens:,}"),
        ("tokens out", f"{total.output_tokens:,}"),
        ("USD", dollars(booked.rows)),
    ):
        table.add_column(name, footer, justify="right", no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    projects = grouped(booked.rows, lambda row: row.project_id)
    costs = {project: cost(rows) or 0 for project, rows in projects.items()}
    most = max(costs.values(), default=0) or 1
    for project in sorted(projects, key=lambda project: (-costs[project], project)):
        rows = projects[project]
        some = figures(rows)
        counts = [f"{n:,}" for n in (some.calls, some.input_tokens, some.output_tokens)]
        bar = Bar(float(most), 0, float(costs[project]), width=BAR_WIDTH)
        table.add_row(Text(shown(project)), *counts, dollars(rows), bar)
    if "" not in projects:
        table.add_row(UNATTRIBUTED, "0", "0", "0", "0", "")
    return table


def shown(project: str) -> str:
    """Its name, which a caller of the gateway may have chosen to trouble a terminal with."""
    return (project if project.isprintable() else ascii(project)) or UNATTRIBUTED


def dollars(rows: Sequence[BookedRow]) -> str:
    """The exact cost; a `+` where a part of it has no price, and `unknown` where none has."""
    usd = cost(rows)
    if usd is None:
        return "unknown"
    return f"{usd.normalize():f}" + ("+" if any(row.unpriced for row in rows) else "")


def said(line: str, code: int = FAILED) -> typer.Exit:
    sys.stderr.write(f"{line}\n")
    return typer.Exit(code)
