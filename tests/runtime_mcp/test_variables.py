"""The environment of the tool gateway: as the README has it, and refused in a line each."""

import os
import re
import subprocess
import sys
from pathlib import Path

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
        (
            KEYS | {"AGENT_KEYS_FILE": NO_KEYS},
            "AGENT_KEYS_FILE: line 13: agents.0.organisation: Fie",
        ),
        (FILES | {"AUTH_MODE": "disabled", "HOST": "0.0.0.0"}, "HOST: AUTH_MODE=disabled makes"),
        (FILES | {"ALLOWLIST_FILE": "/nowhere"}, "ALLOWLIST_FILE: cannot be read"),
        (FILES | {"AUTH_MODE": "disabled", "PORT": "none"}, "PORT: "),
        (FILES | {"AUTH_MODE": "disabled", "DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: mysql"),
        (FILES | {"AUTH_MODE": "disabled", "DATABASE_URL": "x"}, "DATABASE_URL: is no sqlite"),
    ],
)
def test_what_makes_no_sense_is_a_line_and_exit_code_2(
    variables: dict[str, str], line: str
) -> None:
    done = started(**variables)
    assert done.returncode == 2
    assert f"runtime-mcp: {line}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "agents:\n  - name: ada\n    tools:\n      - tool: 'a b'\n",
            "line 4: agents.0.tools.0.tool",
        ),
        (
            "agents:\n  - name: ada\n    tools: []\n    toolz: []\n",
            "line 4: agents.0.toolz: Extra inputs",
        ),
        ("agents:\n  - name: ada\n", "line 2: agents.0.tools: Field required"),
        ("agents: [\n", "is no YAML: while parsing"),
        ("", "line 1: the document: "),
    ],
)
def test_an_allowlist_that_makes_no_sense_says_in_which_line(
    tmp_path: Path, text: str, line: str
) -> None:
    (tmp_path / "allowlist.yaml").write_text(text)
    own = {"ALLOWLIST_FILE": str(tmp_path / "allowlist.yaml"), "AUTH_MODE": "disabled"}
    done = started(**FILES | own)
    assert done.returncode == 2
    assert f"runtime-mcp: ALLOWLIST_FILE: {line}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gateway_that_never_served_does_not_end_with_0() -> None:
    done = started(**FILES, AUTH_MODE="keys", AGENT_KEYS_FILE="/nowhere", PORT="0")
    assert done.returncode != 0
