"""The locked versions: each with its hashes, from no address, and none that is known to be evil."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from running import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PACKAGES = {path.parent.name: path for path in ROOT.glob("packages/*/pyproject.toml")}
EVIL = ("1.82.7", "1.82.8")
EXTRAS = {"api": ["--extra", "litellm"], "local": []}
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
        ("repo1", "maven", "org"),
        ("static", "crates", "io"),
        ("deb", "debian", "org"),
    ]
]


def requirements(package: str) -> list[Requirement]:
    project = tomllib.loads(PACKAGES[package].read_text())["project"]
    optional = project.get("optional-dependencies", {}).values()
    lines = project["dependencies"] + [line for extra in optional for line in extra]
    return [Requirement(line) for line in lines]


def litellms() -> Iterator[tuple[str, SpecifierSet]]:
    for package in PACKAGES:
        for required in requirements(package):
            if required.name == "litellm":
                yield package, required.specifier


def test_each_package_that_asks_for_litellm_is_looked_at() -> None:
    assert sorted(package for package, _ in litellms()) == sorted(EXTRAS)


@pytest.mark.parametrize("version", EVIL)
def test_an_evil_litellm_is_excluded_by_its_name_and_not_by_a_bound_alone(version: str) -> None:
    for package, specifiers in litellms():
        assert f"!={version}" in {str(each) for each in specifiers}, package
        named = SpecifierSet(",".join(str(each) for each in specifiers if each.operator == "!="))
        assert not named.contains(version), package


def resolved(package: str, version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the resolver says when it is asked for that litellm."""
    constraint = folder / "constraint.txt"
    constraint.write_text(f"litellm=={version}\n")
    command = [str(ROOT / "tools/uv.sh"), "pip", "compile", str(PACKAGES[package])]
    command += [*EXTRAS[package], "--constraint", str(constraint)]
    command += ["--universal", "--python-version", "3.11"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("package", EXTRAS)
def test_a_resolver_that_is_asked_for_an_evil_litellm_refuses(package: str, tmp_path: Path) -> None:
    locked = re.search(r"^litellm==(\S+)", (ROOT / "requirements/dev.txt").read_text(), re.M)
    assert locked is not None
    if resolved(package, locked[1], tmp_path).returncode != 0:
        pytest.skip("the resolver reaches no package index")
    for version in EVIL:
        refused = resolved(package, version, tmp_path)
        assert refused.returncode == 1
        assert f"litellm=={version}" in refused.stderr
        assert "unsatisfiable" in refused.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_line_of_a_lock_has_a_version_and_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    entries = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    assert entries
    pinned = re.compile(
        r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[\w.+!]+( ; [^#]+?)? +(--hash=sha256:[0-9a-f]{64} *)+"
    )
    assert [entry for entry in entries if entry and not pinned.fullmatch(entry)] == []
    assert not re.search(r"://|--(extra-)?index|--find-links| @ ", text)
    assert not re.search(rf"^litellm==({'|'.join(map(re.escape, EVIL))})\b", text, re.MULTILINE)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [ROOT / path for path in listed.stdout.split("\0") if path]
    for file in files:
        if file.is_file():
            text = file.read_text(errors="replace")
            assert [host for host in REGISTRIES if host in text] == [], file
