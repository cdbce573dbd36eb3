"""A report as a person reads it on 80 columns, and as a program does."""

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from api.doctor.checkup import Report
from api.doctor.findings import Finding

SCHEMA_VERSION = 1
INDENT = 9
STYLES = {"ok": "green", "failed": "bold red", "unknown": "yellow", "skipped": "dim"}


def as_json(report: Report) -> str:
    """The README has its fields; a field that is taken away or changes its sense is a version."""
    fields: dict[str, Any] = {
        "version": SCHEMA_VERSION,
        "ok": not report.failed,
        "exit_code": report.exit_code,
        "cause": report.failed[0][0] if report.failed else None,
        "place": report.place.name,
        "calls": report.calls,
        "findings": [
            {
                "check": name,
                "verdict": found.verdict,
                "what": found.what,
                "how": found.how or None,
                "mend": found.mend or None,
            }
            for name, found in report.findings
        ],
    }
    return msgspec.json.format(msgspec.json.encode(fields)).decode()


def show(report: Report, console: Console) -> None:
    """The root cause in the first line, then every check, with what to do where it is not well."""
    for line in wrap(headline(report), console.width):
        write(console, line, "bold red" if report.failed else "bold green")
    console.print()
    for names, found in grouped(report):
        row(console, found.verdict, f"{names}: {found.what}", STYLES[found.verdict])
        if found.verdict in ("failed", "unknown"):
            row(console, "  how", found.how)
            row(console, "  mend", found.mend)


def grouped(report: Report) -> Iterator[tuple[str, Finding]]:
    """Each finding with its check, or with all that are skipped in a row for the same reason."""
    for found, same in groupby(report.findings, key=lambda each: each[1]):
        names = [name for name, _ in same]
        if found.verdict == "skipped":
            yield ", ".join(names), found
        else:
            yield from ((name, found) for name in names)


def row(console: Console, label: str, text: str, style: str = "dim") -> None:
    """Wrapped beside its label; a word that is longer than a line stays whole, to be pasted."""
    lines = wrap(text, console.width - INDENT, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        shown = "" if number else label
        write(console, Text.assemble((f"{shown:<{INDENT}}", style), line))


def write(console: Console, text: Text | str, style: str = "") -> None:
    console.print(text, style=style, soft_wrap=True)


def headline(report: Report) -> str:
    """What is wrong first of all, or that nothing is."""
    if not report.failed:
        verdicts = [found.verdict for _, found in report.findings]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in STYLES if v in verdicts)
        return f"Nothing is wrong: {counts}."
    (name, found), *others = report.failed
    return f"{name}: {found.what}" + (f" {len(others)} more failed." if others else "")
