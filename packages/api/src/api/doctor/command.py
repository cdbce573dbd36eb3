"""The command `doctor`: a report as a person reads it on 80 columns, and as a program does."""

import asyncio
import os
import sys
from io import TextIOWrapper
from itertools import groupby
from operator import itemgetter
from textwrap import wrap
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from api.doctor.checkup import check_up
from chassis.logs import configure_logs
from chassis.project_id import ProjectId
from chassis.redaction import redact_output

STOPPED = 130
INDENT = 9
STYLES = {"ok": "green", "failed": "bold red", "unknown": "yellow", "skipped": "dim"}


def project_id(value: str) -> ProjectId:
    try:
        return ProjectId(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def doctor(
    project: Annotated[
        ProjectId, typer.Option(parser=project_id, help="On whose account the call is made.")
    ] = ProjectId("doctor"),  # noqa: B008 -- a name, which never changes
    no_spend: Annotated[bool, typer.Option("--no-spend", help="Make no call to a model.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Find out what is wrong: the cause first, how it is known, and what mends it.

    Makes one call of a few tokens.

    Exit code 0: nothing is wrong; 1: a check failed; 2: variables are senseless.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    redact_output()
    configure_logs("ERROR", sys.stderr)
    try:
        report = asyncio.Runner().run(check_up(project, spend=not no_spend))
        if json:
            sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n")
        else:
            show(report, Console(highlight=False))
        code = int(report["exit_code"])
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        code = STOPPED
    sys.stdout.flush()
    sys.stderr.flush()
    # A name server that does not answer holds a thread, and Python's own exit waits for it.
    os._exit(code)


def show(report: dict[str, Any], console: Console) -> None:
    """The root cause in the first line, then every check, with what to do where it is not well."""
    for line in wrap(headline(report), console.width):
        console.print(Text(line, "bold green" if report["ok"] else "bold red"), soft_wrap=True)
    console.print()
    for (verdict, what), same in groupby(report["findings"], itemgetter("verdict", "what")):
        found = list(same)
        names = [str(each["check"]) for each in found]
        row(console, verdict, f"{', '.join(names)}: {what}", STYLES[verdict])
        if verdict in ("failed", "unknown"):
            row(console, "  how", found[0]["how"] or "")
            row(console, "  mend", found[0]["mend"] or "")


def headline(report: dict[str, Any]) -> str:
    """What is wrong first of all, or that nothing is."""
    verdicts = [found["verdict"] for found in report["findings"]]
    if report["ok"]:
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in STYLES if v in verdicts)
        return f"Nothing is wrong: {counts}."
    cause, more = report["findings"][verdicts.index("failed")], verdicts.count("failed") - 1
    return f"{cause['check']}: {cause['what']}" + (f" {more} more failed." if more else "")


def row(console: Console, label: str, text: str, style: str = "dim") -> None:
    """Wrapped beside its label; a word that is longer than a line stays whole, to be pasted."""
    width = console.width - INDENT
    for line in wrap(text, width, break_long_words=False, break_on_hyphens=False):
        console.print(Text.assemble((f"{label:<{INDENT}}", style), line), soft_wrap=True)
        label = ""
