"""A mistake in the gateway's config is refused at start, with the file, the line and the reason."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checking import ENTRY, in_config, in_params, mistakes
from local.config_check import CONFIG
from local.run.ports import free_port
from make_run import GATEWAY_PYTHON, ROOT, processes_with
from policy.checks.check import refuse_mistakes


def test_the_config_and_the_overlay_of_the_tests_have_none() -> None:
    refuse_mistakes([CONFIG])
    refuse_mistakes([CONFIG, ROOT / "tests" / "overlay.yaml"])


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: [\n", 2, "expected the node content, but found '<stream end>'"),
        ("just words\n", 1, "not a mapping"),
        ("", 1, "not a mapping"),
        ("litellm_settings:\n  a: \x00\n", 2, "not YAML: the character U+0000"),
        ("litellm_settings:\n  [a]: b\n", 2, "found unhashable key"),
        ("litellm_settings:\n  a: &a\n    - *a\n", 2, "contains itself"),
        ("budgets:\n  a: 2026-02-30\n", 2, "day is out of range for month"),
    ],
)
def test_what_is_no_mapping_in_yaml(tmp_path: Path, text: str, line: int, reason: str) -> None:
    (said,) = in_config(tmp_path, text)
    assert said.startswith(f"{line}: {reason}")


def test_a_file_that_is_not_there_and_one_that_is_not_utf_8(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "nowhere.yaml") == ["1: No such file or directory"]
    (tmp_path / "latin.yaml").write_bytes("a: b\n# Größe\n".encode("latin-1"))
    assert mistakes(tmp_path / "latin.yaml") == ["2: not UTF-8"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("model_list: {a: b}", 1, "model_list is not a list"),
        ("\nmodel_list:\n  - 5", 3, "an entry of model_list is not a mapping"),
        (
            "model_list:\n  - litellm_params: {model: b}",
            2,
            "an entry of model_list needs model_name",
        ),
        ("model_list:\n  - model_name: a", 2, "an entry of model_list needs litellm_params"),
        ("model_list: [{model_name: a, litellm_params: {}}]", 1, "litellm_params needs model"),
        ("router_settings: [a]", 1, "router_settings is not a mapping"),
        ("projects: 5", 1, "projects is not a mapping"),
    ],
)
def test_a_section_or_an_entry_of_another_shape(
    tmp_path: Path, text: str, line: int, reason: str
) -> None:
    assert in_config(tmp_path, text) == [f"{line}: {reason}"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("model_lst: []", 1, "a config has no section 'model_lst'; did you mean 'model_list'?"),
        ("xyzzy: 1", 1, "a config has no section 'xyzzy'"),
        (
            "litellm_settings:\n  drop_parms: true",
            2,
            "litellm_settings has no 'drop_parms'; did you mean 'drop_params'?",
        ),
        (
            "router_settings:\n  # how often\n  num_retrys: 0",
            3,
            "router_settings has no 'num_retrys'; did you mean 'num_retries'?",
        ),
        (
            "general_settings: {master_kye: os.environ/K}",
            1,
            "general_settings has no 'master_kye'; did you mean 'master_key'?",
        ),
        ("environment_variables:\n  a-b: c", 2, "'a-b' is not the name of a variable"),
        (
            ENTRY + "    model_inf: {}",
            6,
            "an entry has no 'model_inf'; did you mean 'model_info'?",
        ),
        (
            ENTRY + "      api_bas: http://127.0.0.1:1",
            6,
            "LiteLLM knows no 'api_bas'; did you mean 'api_base'?",
        ),
    ],
)
def test_a_key_that_nobody_knows(tmp_path: Path, text: str, line: int, reason: str) -> None:
    assert in_config(tmp_path, text) == [f"{line}: {reason}"]


def test_a_key_that_is_given_twice(tmp_path: Path) -> None:
    said = in_params(tmp_path, "timeout: 5", "timeout: 6", more="model_list: []\n")
    assert "7: 'timeout' is given twice, first in line 6: the last would win" in said
    assert "8: 'model_list' is given twice, first in line 1: the last would win" in said


def test_a_key_from_an_anchor_that_is_given_anew_is_given_once(tmp_path: Path) -> None:
    text = "router_settings: &r\n  num_retries: -1\n"
    text += "litellm_settings:\n  <<: *r\n  num_retries: 0\n"
    assert in_config(tmp_path, text) == ["2: num_retries: -1 is not a whole number of 0 or more"]


def gateway(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATEWAY_PYTHON, "-m", "local", *arguments],
        cwd=folder,
        env=os.environ | {"GATEWAY_PORT": str(free_port()), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [("serve",), ("run", "--api-python", sys.executable)], ids=["serve", "run"]
)
def test_with_a_mistake_nothing_is_started(tmp_path: Path, command: tuple[str, ...]) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("litellm_settings:\n  drop_parms: true\nrouter_settings:\n  timeout: 0\n")
    ended = gateway(tmp_path, *command, "--overlay", overlay)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"{overlay}:2: litellm_settings has no 'drop_parms'; did you mean 'drop_params'?\n"
        f"{overlay}:4: timeout: 0 is not a number of seconds above 0\n"
    )
    assert list(tmp_path.iterdir()) == [overlay]
    assert not processes_with(str(tmp_path))


def test_a_check_starts_nothing_and_says_where_it_looked(tmp_path: Path) -> None:
    ended = gateway(tmp_path, "check")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"no mistake in {CONFIG}\n"
    shutil.copytree(CONFIG.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.yaml").write_text(CONFIG.read_text() + "\nmodel_lst: []\n")
    ended = gateway(tmp_path, "check", "config.yaml")
    assert (ended.returncode, ended.stdout) == (2, "")
    last = (tmp_path / "config.yaml").read_text().count("\n")
    assert ended.stderr == (
        f"config.yaml:{last}: a config has no section 'model_lst'; did you mean 'model_list'?\n"
    )


def test_the_known_keys_are_those_of_the_installed_litellm() -> None:
    command = [str(GATEWAY_PYTHON), "tools/litellm_keys.py"]
    done = subprocess.run([*command, "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, f"run {command}"
