"""Takes an optional concern out of the tree: `make remove CONCERN=redis`.

`docs/remove.md` says which files go with each concern. Elsewhere, each line that ends in
`# removable: <concern>` goes; one that names several goes with any of them.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| `(?P<concern>[a-z]+)` \|[^|]*\|(?P<files>[^|]*)\|$", re.MULTILINE)
MARK = re.compile(r"#\s*removable: (?P<concerns>[a-z, ]+)$")
MARKED = ("packages", "charts", "compose", "tools")
NOT_OURS = {".venv", ".venv-gateway", "__pycache__"}


def concerns(root: Path) -> dict[str, list[str]]:
    """Each concern that can be removed, with its files and folders, as patterns."""
    page = (root / "docs" / "remove.md").read_text(encoding="utf-8")
    return {row["concern"]: re.findall(r"`([^`]+)`", row["files"]) for row in ROW.finditer(page)}


def remove(root: Path, concern: str) -> None:
    """Deletes the files of this concern, and the lines that are marked with it."""
    for path in [path for name in concerns(root)[concern] for path in root.glob(name)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    files = [root / "Makefile", *(file for top in MARKED for file in (root / top).rglob("*"))]
    for file in files:
        if file.is_file() and not NOT_OURS & set(file.parts):
            unmark(file, concern)


def unmark(file: Path, concern: str) -> None:
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return
    kept = [line for line in lines if concern not in marks_of(line)]
    if len(kept) < len(lines):
        file.write_text("".join(kept), encoding="utf-8")


def marks_of(line: str) -> set[str]:
    found = MARK.search(line.rstrip())
    return set(found["concerns"].split(", ")) if found else set()


def main() -> int:
    known = sorted(concerns(ROOT))
    parser = argparse.ArgumentParser(prog="make remove CONCERN=…", description=__doc__)
    parser.add_argument("concern", choices=known)
    remove(ROOT, parser.parse_args().concern)
    return 0


if __name__ == "__main__":
    sys.exit(main())
