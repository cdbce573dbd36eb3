"""Writes what a chart says twice: the tables of values, the gateway's checksum and its files.

`python tools/chart_values.py` writes them, `--check` says what is stale, and exits with 1. Neither
does so for a gateway's config with a mistake, whose chart is thereby not rendered either. The row
of a value comes from its comment in values.yaml, `# -- (type) text`, and the lines that follow.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).resolve().parent.parent / "charts"
MARK = "<!-- values: written by `make chart` -->\n"
COMMENT = re.compile(r"# -- \((string|integer|boolean|list|object)\) ?(.*)")
KEY = re.compile(r"( *)([A-Za-z][\w./-]*):")
CHECKSUM = re.compile(r"(?m)^(    checksum/gateway:) .*$")
ITEMS = re.compile(r"(?m)^( +items: # written by `make chart`.*\n)(?: +- .*\n)+")
LONGEST_DEFAULT = 60


@dataclass(frozen=True, slots=True)
class Value:
    """One row: `path` with dots between, `kind` as the comment says it."""

    path: str
    kind: str
    text: str


def documented(values: str) -> Iterator[Value]:
    """The values that have a comment, in their order."""
    above: list[tuple[int, str]] = []
    kind, text = "", ""
    for line in values.splitlines():
        comment = line.strip()
        if found := COMMENT.fullmatch(comment):
            kind, text = found[1], found[2]
        elif comment.startswith("#") and kind:
            text += " " + comment.lstrip("# ")
        elif key := KEY.match(line):
            depth = len(key[1])
            above = [(d, name) for d, name in above if d < depth] + [(depth, key[2])]
            if kind:
                yield Value(".".join(name for _, name in above), kind, text.strip())
            kind = ""


def undocumented(values: Any, known: set[str], path: str = "") -> Iterator[str]:
    """The paths of values that have no comment, and are not within one that has."""
    for key, value in values.items():
        here = f"{path}.{key}".lstrip(".")
        if here in known:
            continue
        if isinstance(value, dict) and value:
            yield from undocumented(value, known, here)
        else:
            yield here


def default_of(values: Any, path: str) -> str:
    for name in path.split("."):
        values = values[name]
    shown = json.dumps(values, ensure_ascii=False)
    return f"`{shown}`" if len(shown) <= LONGEST_DEFAULT else "in `values.yaml`"


def table(chart: Path) -> str:
    """The table of a chart's values, in Markdown."""
    text = (chart / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = [
        f"| `{v.path}` | {v.kind} | {default_of(values, v.path)} | {v.text} |".replace(
            "|  |", "| |"
        )
        for v in documented(text)
    ]
    return "\n".join(["| value | type | default | |", "| --- | --- | --- | --- |", *rows, ""])


def files_of(gateway: Path) -> list[str]:
    """Every file of the folder, as templates/_names.tpl lists them."""
    files = (file for file in gateway.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted(file.relative_to(gateway).as_posix() for file in files)


def checksum(gateway: Path) -> str:
    """Of each file's path and content, as templates/_names.tpl works it out."""
    lines = [
        f"{path} {hashlib.sha256((gateway / path).read_bytes()).hexdigest()}"
        for path in files_of(gateway)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def items(gateway: Path) -> str:
    """What the volume of the gateway's ConfigMap mounts where, as templates/_names.tpl has it."""
    return "".join(
        f"          - {{key: {path.replace('/', '.')}, path: {path}}}\n"
        for path in files_of(gateway)
    )


def up_to_date(charts: Path) -> dict[Path, str]:
    """What each file that this writes has to be."""
    wanted = {}
    for chart in sorted(charts.iterdir()):
        values, readme = chart / "values.yaml", chart / "README.md"
        if not values.exists():
            continue
        if (chart / "gateway").is_dir():
            text = ITEMS.sub(rf"\g<1>{items(chart / 'gateway')}", values.read_text())
            wanted[values] = CHECKSUM.sub(rf'\1 "{checksum(chart / "gateway")}"', text)
        head = readme.read_text().partition(MARK)[0]
        wanted[readme] = f"{head}{MARK}\n{table(chart)}"
    return wanted


def has_mistakes(gateway: Path) -> bool:
    """What the policy's own check says of the config, it says itself."""
    command = [sys.executable, "-m", "policy.checks.check", str(gateway / "config.yaml")]
    variables = os.environ | {"PYTHONPATH": str(gateway)}  # noqa: TID251 - for the check alone
    return subprocess.run(command, env=variables, check=False).returncode != 0


def main(arguments: list[str]) -> int:
    if any(list(map(has_mistakes, CHARTS.glob("*/gateway")))):
        return 2
    for _ in range(2):  # the table shows the checksum
        old = {path: text for path, text in up_to_date(CHARTS).items() if path.read_text() != text}
        if "--check" in arguments:
            for path in old:
                sys.stderr.write(
                    f"{path.relative_to(CHARTS.parent)} is not up to date: make chart\n"
                )
            return 1 if old else 0
        for path, text in old.items():
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
