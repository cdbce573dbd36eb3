"""A rename of the solution reaches every file, and the renamed solution still works.

Each test works on a clone of the work tree, new files included, so nothing here is touched.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CARRIERS = ROOT / "tests/files_with_the_name.txt"
FAST_TESTS = [
    "tests/api/unit/test_attempts.py",
    "tests/api/unit/test_errors.py",
    "tests/api/unit/test_settings.py",
    "tests/chassis/test_access_tokens.py",
    "tests/local/test_config.py",
    "tests/local/test_ports.py",
    "tests/test_observability.py",
    "tests/test_readme.py",
]

(NAME,) = (gateway.parent.name for gateway in ROOT.glob("charts/*/gateway"))
NEW = "-".join(["harbour", "desk"])  # in one piece it would be in the tree
ANY_SPELLING = NAME.replace("-", "[-_]?")


def git(folder: Path, *arguments: str) -> str:
    settings = ["user.name=A", "user.email=a@localhost", "commit.gpgsign=false"]
    options = [option for setting in settings for option in ("-c", setting)]
    command = ["git", "-C", str(folder), *options, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def paths(folder: Path) -> list[str]:
    listed = git(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    return [path for path in sorted(set(listed.split("\0"))) if (folder / path).is_file()]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    for path in paths(ROOT):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    git(tmp_path, "init", "--quiet", str(folder))
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it is")


def rename(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/rename.py", *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def left_of_the_name(folder: Path) -> list[str]:
    """Every path, and every line of a file, with some spelling of the present name."""
    found = [path for path in paths(folder) if re.search(ANY_SPELLING, path, re.IGNORECASE)]
    for path in paths(folder):
        text = (folder / path).read_bytes().decode(errors="replace")
        lines = re.findall(f".*{ANY_SPELLING}.*", text, re.IGNORECASE)
        found += [f"{path}: {line}" for line in lines]
    return found


def test_the_renamed_clone_has_no_trace_of_the_old_name_and_a_second_run_changes_nothing(
    clone: Path,
) -> None:
    assert left_of_the_name(clone)

    first = rename(clone, NEW)

    assert first.returncode == 0, first.stderr
    assert left_of_the_name(clone) == []
    assert (clone / f"charts/{NEW}").is_dir()
    commit(clone)

    second = rename(clone, NEW)

    assert second.returncode == 0, second.stderr
    assert "nothing to do" in second.stdout
    assert git(clone, "status", "--porcelain") == ""


def test_renaming_there_and_back_gives_the_same_tree(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD^{tree}")

    assert rename(clone, NEW).returncode == 0
    commit(clone)
    assert rename(clone, NAME).returncode == 0
    commit(clone)

    assert git(clone, "rev-parse", "HEAD^{tree}") == before


@pytest.mark.timeout(120)
def test_the_fast_tests_pass_in_a_renamed_clone(clone: Path) -> None:
    assert [path for path in FAST_TESTS if not (clone / path).exists()] == []
    assert rename(clone, NEW).returncode == 0
    sources = os.pathsep.join(map(str, sorted(clone.glob("packages/*/src"))))
    env = {**os.environ, "PYTHONPATH": sources}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=clone, env=env, check=False, capture_output=True, text=True
        )

    tested = run("-c", "import api; print(api.__file__)").stdout
    suite = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *FAST_TESTS)

    assert tested.startswith(str(clone))
    assert suite.returncode == 0, suite.stdout + suite.stderr


def test_every_file_that_carries_the_name_is_on_the_list(clone: Path) -> None:
    listed = rename(clone, "--list").stdout

    assert len(listed.splitlines()) <= 15
    assert listed == CARRIERS.read_text(), (
        f"If the difference is right: python tools/rename.py --list > tests/{CARRIERS.name}"
    )


@pytest.mark.parametrize(
    "name", ["", "Upper", "under_score", "-first", "last-", "1st", "a" * 41, "two words", "ä"]
)
def test_a_name_that_is_no_dns_label_is_refused(clone: Path, name: str) -> None:
    refused = rename(clone, "--", name)

    assert refused.returncode == 1
    assert refused.stderr.startswith("NAME=")
    assert git(clone, "status", "--porcelain") == ""


def test_the_name_of_a_file_or_folder_is_refused(clone: Path) -> None:
    refused = rename(clone, "gateway")

    assert refused.returncode == 1
    assert refused.stderr == "NAME='gateway' is a file or a folder here already.\n"


def test_a_dirty_work_tree_is_refused_unless_forced(clone: Path) -> None:
    (clone / "mine.txt").write_text(f"{NAME} is mine\n")

    refused = rename(clone, NEW)
    forced = rename(clone, NEW, "--force")

    assert refused.returncode == 1
    assert "uncommitted" in refused.stderr
    assert forced.returncode == 0
    assert (clone / "mine.txt").read_text() == f"{NEW} is mine\n"
