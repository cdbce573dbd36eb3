"""Finds every completion that goes round the service helper: `make attribution`.

A call through the helper cannot be without a project and a solution; one beside it can. Looks into
the Python files of the folders that it is given, else of the whole repository. In pyproject.toml,
`[tool.attribution]` names the helper, the files that may make a completion (`allowed`) and the
folders that are not looked into (`exempt`). One line is let off by a comment on it that says why:
`# attribution: <reason>`.
"""

import argparse
import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from completions import completions

ROOT = Path(__file__).resolve().parents[1]
COMMENT = re.compile(r"#\s*attribution:(.*)")
HELPER = "the service helper"
NOT_OURS = {"node_modules", "site-packages", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Rules:
    """
    Attributes:
        helper: what to call instead.
        allowed: files.
        exempt: folders.
    """

    helper: str
    allowed: frozenset[Path] = frozenset()
    exempt: frozenset[Path] = frozenset()


def rules_for(folder: Path) -> Rules:
    """What the nearest pyproject.toml at or above the folder says; nothing, without one."""
    for above in (folder, *folder.parents):
        file = above / "pyproject.toml"
        if file.is_file():
            tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
            if "attribution" in tool:
                said = tool["attribution"]
                return Rules(
                    said.get("helper", HELPER),
                    frozenset((above / path).resolve() for path in said.get("allowed", [])),
                    frozenset((above / path).resolve() for path in said.get("exempt", [])),
                )
    return Rules(HELPER)


def files_in(folder: Path, rules: Rules) -> Iterator[Path]:
    """Every Python file to look into; of an exempt folder only when it is asked for itself."""
    if folder.is_file():
        yield folder
        return
    exempt = [path for path in rules.exempt if path != folder and path.is_relative_to(folder)]
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in NOT_OURS for part in parts)
        if not (hidden or path in rules.allowed or any(map(path.is_relative_to, exempt))):
            yield path


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """What goes round the helper in this file: the line, and what it is."""
    try:
        text = path.read_bytes()
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        yield getattr(error, "lineno", None) or 1, f"cannot be read: {error}"
        return
    reasons = {
        token.start[0]: comment[1].strip()
        for token in tokenize.tokenize(io.BytesIO(text).readline)
        if token.type == tokenize.COMMENT and (comment := COMMENT.match(token.string))
    }
    for line, what in sorted(set(completions(tree))):
        if not reasons.get(line):
            lacks = "; its comment gives no reason" if line in reasons else ""
            yield line, f"{what}{lacks}"


def main() -> int:
    """0 without a finding, 1 with one, 2 when there is nothing to look into."""
    parser = argparse.ArgumentParser(prog="attribution", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[ROOT], help="or single files")
    looked, found, helper = 0, 0, HELPER
    for folder in parser.parse_args().folders:
        if not folder.exists():
            parser.error(f"{folder} is not there")
        rules = rules_for(folder.resolve())
        helper = rules.helper
        for path in files_in(folder.resolve(), rules):
            looked += 1
            for line, what in findings(path):
                found += 1
                near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
                sys.stdout.write(f"{near}:{line}: {what}\n")
    files = f"{looked} file{'' if looked == 1 else 's'}"
    if found:
        sys.stdout.write(
            f"{found} in {files}: call a model through {helper}, or say on the line"
            " why not: # attribution: <reason>\n"
        )
    else:
        sys.stdout.write(f"no completion goes round {helper}, in {files}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
