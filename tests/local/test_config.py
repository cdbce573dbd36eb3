"""Who answers an alias: the provider when its variable is set, the local LLM when it is not."""

from pathlib import Path

import pytest

from local.config_check import CONFIG as THE_CONFIG
from local.run.assembly import LOCAL
from local.run.config import Config, ConfigError, Route, localise, merge, read, references

DOCUMENTED_ALIASES = {
    "gemini-3.5-flash",
    "gemini-3.1-pro-preview",
    "gemini-3.1-pro-preview-customtools",
    "claude-opus-4-8",
    "gpt-4o-mini",
    "claude-3-5-sonnet-20241022",
    "gemini-1.5-pro",
    "ollama/llama3.1",
}


def params_of(config: Config, alias: str) -> Config:
    """Those of the first entry: the other is not served without its variables."""
    entry = next(entry for entry in config["model_list"] if entry["model_name"] == alias)
    params: Config = entry["litellm_params"]
    return params


def test_the_config_serves_every_alias_of_the_documentation() -> None:
    config = read(THE_CONFIG)
    assert {entry["model_name"] for entry in config["model_list"]} >= DOCUMENTED_ALIASES


def test_without_a_variable_the_local_llm_answers_every_alias() -> None:
    config, routes = localise(read(THE_CONFIG), read(LOCAL), variables=())
    assert {route.alias for route in routes if route.missing} >= DOCUMENTED_ALIASES
    for alias in DOCUMENTED_ALIASES:
        assert params_of(config, alias) == read(LOCAL)["litellm_params"]


def test_with_its_key_in_the_environment_an_alias_goes_to_its_provider() -> None:
    config, routes = localise(read(THE_CONFIG), read(LOCAL), variables={"ANTHROPIC_API_KEY"})
    assert params_of(config, "claude-opus-4-8") == {
        "model": "anthropic/claude-opus-4-8",
        "api_key": "os.environ/ANTHROPIC_API_KEY",
    }
    assert Route("claude-opus-4-8", "anthropic/claude-opus-4-8", ()) in routes
    assert Route("gpt-4o-mini", "openai/smollm2-135m-instruct", ("OPENAI_API_KEY",)) in routes


def test_ollama_needs_an_address_and_no_key() -> None:
    config, _ = localise(read(THE_CONFIG), read(LOCAL), variables={"OLLAMA_API_BASE"})
    assert params_of(config, "ollama/llama3.1")["model"] == "ollama_chat/llama3.1"


AZURE = {"AZURE_API_BASE", "AZURE_API_VERSION", "AZURE_API_KEY"}


@pytest.mark.parametrize(
    ("variables", "answers", "left"),
    [
        ({"OPENAI_API_KEY"} | AZURE, ["openai/gpt-4o-mini", "azure/gpt-4o-mini"], []),
        ({"OPENAI_API_KEY", "AZURE_API_KEY"}, ["openai/gpt-4o-mini"], ["azure/gpt-4o-mini"]),
        (AZURE, ["azure/gpt-4o-mini"], ["openai/gpt-4o-mini"]),
        (set(), ["openai/smollm2-135m-instruct"], ["azure/gpt-4o-mini"]),
    ],
)
def test_an_alias_is_answered_by_the_providers_whose_variables_are_set(
    variables: set[str], answers: list[str], left: list[str]
) -> None:
    config, routes = localise(read(THE_CONFIG), read(LOCAL), variables)
    entries = [entry for entry in config["model_list"] if entry["model_name"] == "gpt-4o-mini"]
    models = {entry["litellm_params"]["model"] for entry in entries}
    assert models == {*answers, *left}, "the gateway does not serve what is left"
    assert [route.model for route in routes if route.alias == "gpt-4o-mini"] == answers


def test_an_alias_that_is_there_twice_says_in_which_order_and_not_more_than_twice() -> None:
    orders: dict[str, list[int | None]] = {}
    for entry in read(THE_CONFIG)["model_list"]:
        orders.setdefault(entry["model_name"], []).append(entry["litellm_params"].get("order"))
    assert all(order in ([None], [1, 2]) for order in orders.values()), orders
    assert {alias for alias, order in orders.items() if len(order) == 2} == {
        "gemini-3.5-flash",
        "gemini-3.1-pro-preview",
        "gpt-4o-mini",
    }


def test_the_local_llm_is_given_no_price() -> None:
    text = LOCAL.read_text()
    assert "cost_per" not in text


def test_what_is_not_about_models_stays_as_it_is() -> None:
    written = read(THE_CONFIG)
    config, _ = localise(written, read(LOCAL), variables=())
    assert {**config, "model_list": []} == {**written, "model_list": []}
    assert written == read(THE_CONFIG)


def test_an_overlay_adds_to_lists_and_merges_mappings() -> None:
    base = {"model_list": [1], "litellm_settings": {"callbacks": ["policy.a"], "timeout": 1}}
    overlay = {"model_list": [2], "litellm_settings": {"callbacks": ["seen.b"], "timeout": 2}}
    assert merge(base, overlay) == {
        "model_list": [1, 2],
        "litellm_settings": {"callbacks": ["policy.a", "seen.b"], "timeout": 2},
    }
    assert base["model_list"] == [1]


def test_references_say_under_which_key_a_variable_is_used() -> None:
    assert ("api_key", "OPENAI_API_KEY") in set(references(read(THE_CONFIG)))
    assert ("api_base", "OLLAMA_API_BASE") in set(references(read(THE_CONFIG)))
    assert ("master_key", "LITELLM_MASTER_KEY") in set(references(read(THE_CONFIG)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("model_list: [", "line 2: "),
        ("just words", "not a mapping"),
        ("model_list: {a: b}", "model_list is not a list"),
        ("model_list: [{litellm_params: {model: x}}]", "entry 1 of model_list has no model_name"),
        ("model_list: [{model_name: a}]", "entry 1 of model_list (a) has no litellm_params"),
        ("model_list: [{model_name: a, litellm_params: {}}]", "(a) has no litellm_params"),
        ("a: \x00", "not YAML"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line_that_names_it(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError) as raised:
        read(path)
    assert str(raised.value).startswith(str(path))
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_config_that_is_not_there_is_one_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: No such file or directory$"):
        read(tmp_path / "nowhere.yaml")
