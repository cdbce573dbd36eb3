"""Gives the solution another name, everywhere: `make rename NAME=new-name`.

The present name is that of the chart with the gateway. It is never part of a route (`/llm/…`), of a
variable (`LLM_…`) or of a module, so those stay.
"""

import argparse
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
ACRONYMS = {"ai", "api", "llm", "llms", "mcp"}


def git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def present_name() -> str:
    (gateway,) = ROOT.glob("charts/*/gateway")
    return gateway.parent.name


def spellings(name: str) -> list[str]:
    """How a name is written: in charts and headers, in identifiers and variables, in titles."""
    words = name.split("-")
    titled = [word.upper() if word in ACRONYMS else word.capitalize() for word in words]
    snake = "_".join(words)
    return [name, snake, snake.upper(), " ".join(titled), "-".join(titled)]


class Renaming:
    """From one name to another, in text and in paths."""

    def __init__(self, old: str, new: str) -> None:
        self.replacements = dict(zip(spellings(old), spellings(new), strict=True))
        any_spelling = "|".join(map(re.escape, self.replacements))
        self.pattern = re.compile(rf"(?<![A-Za-z0-9])({any_spelling})(?![A-Za-z0-9])")

    def __call__(self, text: str) -> str:
        return self.pattern.sub(lambda found: self.replacements[found[0]], text)


def text_files() -> dict[str, str]:
    """Every text file that git tracks or would track, by its path from the root."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    texts = {}
    for path in sorted(filter(None, set(listed))):
        file = ROOT / path
        if file.is_file() and not file.is_symlink():
            with suppress(UnicodeDecodeError):
                texts[path] = file.read_bytes().decode()
    return texts


def rename_contents(renaming: Renaming) -> list[str]:
    changed = {
        path: renaming(text) for path, text in text_files().items() if renaming(text) != text
    }
    for path, text in changed.items():
        (ROOT / path).write_bytes(text.encode())
    return list(changed)


def rename_paths(renaming: Renaming) -> list[str]:
    moved = []
    while path := next((path for path in text_files() if renaming(path) != path), None):
        parents = [str(parent) for parent in reversed(Path(path).parents)]
        old = next(part for part in [*parents, path] if renaming(part) != part)
        if git("ls-files", old):
            git("mv", old, renaming(old))
        else:
            (ROOT / old).rename(ROOT / renaming(old))
        moved.append(f"{old} -> {renaming(old)}")
    return moved


def refusal(old: str, new: str, *, force: bool) -> str | None:
    """Why this renaming is not done, in one line, if there is a reason."""
    if not DNS_LABEL.fullmatch(new):
        return f"NAME={new!r}: at most 40 of a-z, 0-9 and hyphens, a letter first, no hyphen last."
    if "-" not in old:
        return f"The present name {old!r} is one word that may mean other things: rename by hand."
    if any(new in Path(path).with_suffix("").parts for path in text_files()):
        return f"NAME={new!r} is a file or a folder here already."
    if not force and git("status", "--porcelain"):
        return "There are uncommitted changes: commit them first, or use --force."
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="the new name, a DNS label")
    parser.add_argument("--force", action="store_true", help="rename in a dirty work tree too")
    parser.add_argument("--list", action="store_true", help="only list the files with the name")
    arguments = parser.parse_args()
    old, new = present_name(), arguments.name
    if arguments.list:
        marked = Renaming(old, "<solution>")
        carriers = [marked(path) for path, text in text_files().items() if marked(text) != text]
        sys.stdout.write("".join(f"{path}\n" for path in carriers))
    elif old == new:
        sys.stdout.write(f"The solution is called {new} already: nothing to do.\n")
    elif reason := refusal(old, new, force=arguments.force):
        sys.exit(reason)
    else:
        renaming = Renaming(old, new)
        changed = [*rename_contents(renaming), *rename_paths(renaming)]
        last = f"{old} is called {new} now: see `git diff HEAD`, then run `make test`."
        sys.stdout.write("\n".join([*changed, last, ""]))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"git: {failure.stderr.strip()}")
