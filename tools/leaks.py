"""Looks for secrets in every file of the work tree and in the history of its branch: `make leaks`.

betterleaks does it. What git ignores is left out: an environment is full of what looks like a key.
What it finds and is none has its line, with the reason, in not_secrets.txt.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCANNER = str(Path(sys.executable).with_name("betterleaks"))
OPTIONS = ["--no-banner", "--no-color", "--redact", "--log-level", "error", "--ignore-file"]
NOT_SECRETS = str(Path(__file__).with_name("not_secrets.txt"))


def tracked(root: Path) -> list[str]:
    """The files of the work tree, new ones included.

    Raises:
        CalledProcessError: it is no git repository.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted({path for path in listed.split("\0") if (root / path).is_file()})


def scan(*what: str, folder: Path) -> bool:
    """Whether there is nothing to find; what there is goes to stdout."""
    command: list[str] = [SCANNER, *what, *OPTIONS, NOT_SECRETS]
    return subprocess.run(command, cwd=folder, check=False).returncode == 0


def scan_tree(root: Path, files: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (copy := Path(folder, file)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy)
        return scan(".", folder=Path(folder))


def main() -> int:
    """0 without a finding, 1 with one, 2 where there is no git repository to look into."""
    root = Path(*(sys.argv[1:2] or [str(ROOT)])).resolve()
    try:
        files = tracked(root)
    except (OSError, subprocess.CalledProcessError):
        sys.stdout.write("NOT CHECKED for secrets: this is no git repository\n")
        return 2
    if not (scan_tree(root, files) & scan("git", "--log-opts=HEAD", folder=root)):
        sys.stdout.write(f"what is no secret gets its line, with the reason, in {NOT_SECRETS}\n")
        return 1
    sys.stdout.write(f"no secret in {len(files)} files, nor in the history of this branch\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
