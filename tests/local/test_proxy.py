"""`python -m local proxy`: what it wants to know before it starts anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KNOWN = {
    "LITELLM_MASTER_KEY": "sk-local-0",
    "LOCAL_LLM_URL": "http://127.0.0.1:9/v1",
    "FAULT_MODELS_URL": "http://127.0.0.1:9/v1",
}


def proxy(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "proxy", *options]
    env = {"PATH": os.environ["PATH"]} | environ
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_not_set_is_one_line_and_nothing_is_started(name: str) -> None:
    ended = proxy(**(KNOWN | {name: ""}))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"gateway: {name} is not set\n"


def test_a_mistake_in_its_config_is_refused_as_before_a_run(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("model_lists: []\n")
    ended = proxy("--config", str(config), **KNOWN)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{config}:1: ")
