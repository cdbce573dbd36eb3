"""LiteLLM finds a config's modules beside the config, so what each file names comes along."""

from pathlib import Path

import yaml

from local.run.assembly import Assembly
from local.run.config import merge, read
from local.run.run_folder import prepare, write


def test_each_file_brings_the_modules_it_names_and_no_other(tmp_path: Path) -> None:
    sources = []
    for folder, callback in ("base", "policy.hooks.entry.attribution"), ("more", "seen.callback"):
        (tmp_path / folder / "policy" / "hooks").mkdir(parents=True)
        for module in ("policy/hooks/entry", "policy/state", "seen", "unnamed"):
            (tmp_path / folder / f"{module}.py").write_text(f"ORIGIN = {folder!r}")
        file = tmp_path / folder / "config.yaml"
        file.write_text(yaml.safe_dump({"litellm_settings": {"callbacks": [callback]}}))
        sources.append(file)

    run = tmp_path / "run"
    prepare(run)
    said = [(file, read(file)) for file in sources]
    running = merge(said[0][1], said[1][1])
    config_file = write(run, Assembly(said, running, running, []))

    files = ["config.yaml", "policy/hooks/entry.py", "policy/state.py", "seen.py", "sources.txt"]
    found = [path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()]
    assert sorted(found) == files
    assert (run / "policy" / "state.py").read_text() == "ORIGIN = 'base'"
    assert (run / "seen.py").read_text() == "ORIGIN = 'more'"
    assert (run / "sources.txt").read_text().split() == [str(file) for file in sources]
    settings = yaml.safe_load(config_file.read_text())["litellm_settings"]
    assert settings == {"callbacks": ["policy.hooks.entry.attribution", "seen.callback"]}


def test_a_folder_is_made_anew_for_each_run(tmp_path: Path) -> None:
    (tmp_path / "4000").mkdir()
    (tmp_path / "4000" / "old.py").touch()
    prepare(tmp_path / "4000")
    assert list((tmp_path / "4000").iterdir()) == []
