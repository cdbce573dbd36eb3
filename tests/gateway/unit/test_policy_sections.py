"""The sections of the config that the policy reads."""

from typing import Any

from policy.config import PolicyConfig, ProjectPolicy, parse
from policy.rules.rate_limits import Limit

MODELS: dict[str, Any] = {
    "model_list": [{"model_name": name, "litellm_params": {}} for name in ("a", "b", "a")]
}
NO_RATES = {name: Limit(f"model {name}", None, None) for name in ("a", "b")}


def parsed(**sections: Any) -> PolicyConfig:
    return parse(MODELS | sections, MODELS["model_list"])


def test_without_sections_attribution_is_required_and_nothing_is_limited() -> None:
    assert parsed() == PolicyConfig(("a", "b"), True, {}, ProjectPolicy(), {}, NO_RATES)


def test_an_entry_leaves_to_the_default_what_it_does_not_say() -> None:
    config = parsed(
        projects={"default": {"rpm": 6, "models": ["a"]}, "demo": {"rpm": None, "tpm": 9}}
    )
    assert config.project("demo") == ProjectPolicy(frozenset("a"), None, 9, None)
    assert config.project("other") == config.project(None) == ProjectPolicy(frozenset("a"), 6)
    assert (config.models("demo"), parsed().models("demo")) == (["a"], ["a", "b"])


def test_an_alias_may_do_what_its_entries_may_together() -> None:
    entries: list[dict[str, Any]] = [
        {"model_name": "a", "litellm_params": {"rpm": 5, "tpm": 7}},
        {"model_name": "a", "rpm": 3, "litellm_params": {}},
    ]
    assert parse({}, entries).rates == {"a": Limit("model a", 8, None)}


def test_what_is_said_of_an_alias_that_is_not_served_is_no_mistake() -> None:
    said = {"budgets": {"b": 5}, "projects": {"demo": {"models": ["b", "a"]}}}
    config = parse(MODELS | said, MODELS["model_list"][:1])
    assert (config.aliases, config.models("demo")) == (("a",), ["a"])
    assert config.rates == {"a": NO_RATES["a"]}
