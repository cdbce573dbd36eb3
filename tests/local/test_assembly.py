"""What a laptop adds to the gateway's config: the local LLM's share, and the fault models."""

from pathlib import Path

import yaml

from local.config_check import CONFIG
from local.run.assembly import FAULT_MODELS, Assembly, assemble
from local.run.config import Config, read


def aliases(config: Config) -> list[str]:
    return [entry["model_name"] for entry in config["model_list"]]


FAULTS = aliases(read(FAULT_MODELS))


def entries(config: Config, names: list[str]) -> list[Config]:
    return [entry for entry in config["model_list"] if entry["model_name"] in names]


def assembled(folder: Path, *own: Config) -> Assembly:
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"model_list": list(own)}))
    return assemble([CONFIG, overlay], {})


def test_the_fault_models_are_in_every_config_of_the_local_gateway(tmp_path: Path) -> None:
    config = assembled(tmp_path)
    assert aliases(config.written) == [*aliases(read(CONFIG)), *FAULTS]
    assert aliases(config.running) == aliases(config.written)


def test_the_local_llm_answers_no_fault_model(tmp_path: Path) -> None:
    config = assembled(tmp_path)
    assert entries(config.running, FAULTS) == read(FAULT_MODELS)["model_list"]
    assert not {route.alias for route in config.routes} & set(FAULTS)


def test_an_alias_of_ones_own_goes_before_a_fault_model_of_the_same_name(tmp_path: Path) -> None:
    own = {
        "model_name": "slow",
        "litellm_params": {"model": "openai/really-slow"},
        "model_info": {"free": True},
    }
    config = assembled(tmp_path, own)
    assert entries(config.running, ["slow"]) == [own]
    assert [route.model for route in config.routes if route.alias == "slow"] == [
        "openai/really-slow"
    ]


def test_the_product_has_no_fault_model_and_no_word_about_one() -> None:
    assert not set(aliases(read(CONFIG))) & set(FAULTS)
    for path in CONFIG.parents[2].rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".tgz"):
            assert "FAULT_MODELS" not in path.read_text(), path
