"""LiteLLM finds a config's modules beside the config, so what each file names comes along."""

from pathlib import Path

import yaml

from local.run.assembly import assemble
from local.run.run_folder import prepare, write


def test_each_file_brings_the_modules_it_names_and_no_other(tmp_path: Path) -> None:
    sources = []
    for folder, callback in ("base", "policy.attribution"), ("more", "seen.callback"):
        (tmp_path / folder).mkdir()
        for module in ("policy", "policy_keys", "seen", "unnamed"):
            (tmp_path / folder / f"{module}.py").write_text(f"ORIGIN = {folder!r}")
        file = tmp_path / folder / "config.yaml"
        file.write_text(yaml.safe_dump({"litellm_settings": {"callbacks": [callback]}}))
        sources.append(file)

    run = tmp_path / "run"
    prepare(run)
    config_file = write(run, assemble(sources, {}))

    files = ["config.yaml", "policy.py", "policy_keys.py", "seen.py"]
    assert sorted(path.name for path in run.iterdir()) == files
    assert (run / "policy.py").read_text() == "ORIGIN = 'base'"
    assert (run / "seen.py").read_text() == "ORIGIN = 'more'"
    settings = yaml.safe_load(config_file.read_text())["litellm_settings"]
    assert settings == {"callbacks": ["policy.attribution", "seen.callback"]}


def test_a_folder_is_made_anew_for_each_run(tmp_path: Path) -> None:
    (tmp_path / "4000").mkdir()
    (tmp_path / "4000" / "old.py").touch()
    prepare(tmp_path / "4000")
    assert list((tmp_path / "4000").iterdir()) == []
