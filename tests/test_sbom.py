"""`make sbom`: what is in each environment, in CycloneDX, is what is locked, and nothing else."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from running import ROOT

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(None if error is None else str(error))
"""


def make(folder: Path, target: str) -> None:
    command = ["/usr/bin/env", "make", "--silent", f"SBOM={folder}", target]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bills")
    make(folder, "sbom")
    return folder


def locked(lock: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9-]+)(?:\[\S+\])?==(\S+)", lock.read_text(), re.MULTILINE))


def refused(bill: str) -> str:
    """What the schema has against it."""
    command = [str(ROOT / ".venv/bin/python"), "-c", VALIDATE]
    done = subprocess.run(command, check=False, input=bill, capture_output=True, text=True)
    return done.stderr


@pytest.mark.parametrize("name", ["api", "runtime-mcp", "gateway"])
def test_a_bill_of_materials_has_each_locked_version_and_no_other(bills: Path, name: str) -> None:
    lock = ROOT / "requirements" / f"{name}.txt"
    parts: list[dict[str, Any]] = json.loads((bills / f"{name}.json").read_text())["components"]
    listed = [(part["name"], part["version"]) for part in parts]
    assert len(listed) == len(set(listed))
    assert set(listed) == locked(lock)
    hashes = {
        each["content"]
        for part in parts
        for reference in part["externalReferences"]
        for each in reference["hashes"]
    }
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", lock.read_text()))


def test_a_bill_of_materials_is_as_its_schema_wants_it_and_the_same_each_time(
    bills: Path, tmp_path: Path
) -> None:
    bill = (bills / "api.json").read_text()
    assert refused(bill) == ""
    assert refused(bill.replace('"library"', '"librarian"')) != ""
    make(tmp_path, f"{tmp_path}/api.json")
    assert (tmp_path / "api.json").read_text() == bill
    assert "timestamp" not in bill
    assert "serialNumber" not in bill
