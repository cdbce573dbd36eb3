"""The environment of the tool gateway: as the README has it, and refused in a line each."""

import os
import re
import subprocess
import sys

import pytest

from running import ROOT
from runtime_mcp.settings import Settings

LOCAL = ROOT / "packages" / "runtime-mcp" / "local"
FILES = {
    "ALLOWLIST_FILE": str(LOCAL / "allowlist.yaml"),
    "UPSTREAMS_FILE": str(LOCAL / "upstreams.yaml"),
}
KEYS = FILES | {"AUTH_MODE": "keys"}
NO_KEYS = FILES["ALLOWLIST_FILE"]


def started(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runtime_mcp"],
        env={"PATH": os.environ["PATH"]} | variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_readme_has_every_variable_and_no_other() -> None:
    section = (ROOT / "README.md").read_text().partition("\n## The tool gateway\n")[2]
    rows = re.findall(r"^\| (`[A-Z].*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert named == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "ALLOWLIST_FILE: required but not set"),
        (FILES, "KEYCLOAK_ISSUER_URL: required with AUTH_MODE=keycloak, and not set"),
        (FILES | {"AUTH_MODE": "keys"}, "AGENT_KEYS_FILE: required with AUTH_MODE=keys"),
        (KEYS | {"AGENT_KEYS_FILE": "/nowhere"}, "AGENT_KEYS_FILE: cannot be read"),
        (KEYS | {"AGENT_KEYS_FILE": NO_KEYS}, "AGENT_KEYS_FILE: agents.0.organisation: Field req"),
        (FILES | {"AUTH_MODE": "disabled", "HOST": "0.0.0.0"}, "HOST: AUTH_MODE=disabled makes"),
        (FILES | {"ALLOWLIST_FILE": "/nowhere"}, "ALLOWLIST_FILE: cannot be read"),
        (FILES | {"AUTH_MODE": "disabled", "PORT": "none"}, "PORT: "),
    ],
)
def test_what_makes_no_sense_is_a_line_and_exit_code_2(
    variables: dict[str, str], line: str
) -> None:
    done = started(**variables)
    assert done.returncode == 2
    assert f"runtime-mcp: {line}" in done.stderr
    assert "Traceback" not in done.stderr
