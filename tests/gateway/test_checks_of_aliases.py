"""What the check says of an alias: of its limits, its price and its second entry."""

from pathlib import Path

import pytest

from checking import ENFORCED, ENTRY, in_config, in_params, with_overlay

NO_DURATION = (
    "is not a duration such as 30s, 5m, 12h or 30d; a calendar month is what budgets counts"
)
SHUFFLED = "without `order: 1` and `order: 2` in their litellm_params LiteLLM takes one at random"
PRICES = "input_cost_per_token: 0, output_cost_per_token: 0.1"
GIVE_ONE = (
    "give input_cost_per_token and output_cost_per_token in its litellm_params, or"
    " `model_info: {free: true}` for what costs nothing"
)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("rpm: -1", "-1 is not a whole number of 0 or more"),
        ("rpm: 1.5", "1.5 is not a whole number of 0 or more"),
        ("tpm: many", "'many' is not a whole number of 0 or more"),
        ("tpm: true", "True is not a whole number of 0 or more"),
        ("num_retries: -1", "-1 is not a whole number of 0 or more"),
        ("max_retries: 0.5", "0.5 is not a whole number of 0 or more"),
        ("order: 0", "0 is not a whole number of 1 or more"),
        ("order: first", "'first' is not a whole number of 1 or more"),
        ("timeout: 0", "0 is not a number of seconds above 0"),
        ("stream_timeout: soon", "'soon' is not a number of seconds above 0"),
        ("timeout: .inf", "inf is not a number of seconds above 0"),
        ("max_budget: -5", "-5 is not a number of 0 or more"),
        ("input_cost_per_token: -0.1", "-0.1 is not a number of 0 or more"),
        (
            "output_cost_per_token: 1e-6",
            "'1e-6' is a text: YAML wants a point in a number with an e, as in 1.0e-6",
        ),
        ("budget_duration: monthly", f"'monthly' {NO_DURATION}"),
    ],
)
def test_a_number_that_is_none(tmp_path: Path, setting: str, reason: str) -> None:
    said = in_params(tmp_path, setting, more=ENFORCED)
    assert said == [f"6: {setting.partition(':')[0]}: {reason}"]


def test_a_number_that_is_none_in_the_sections(tmp_path: Path) -> None:
    text = """\
litellm_settings:
  request_timeout: 0
router_settings:
  num_retries: -2
  timeout: [5]
  provider_budget_config:
    openai: {budget_limit: -1, time_period: 1d}
"""
    assert in_config(tmp_path, text) == [
        "2: request_timeout: 0 is not a number of seconds above 0",
        "4: num_retries: -2 is not a whole number of 0 or more",
        "5: timeout: [5] is not a number of seconds above 0",
        "7: budget_limit: -1 is not a number of 0 or more",
    ]


def test_a_timeout_may_come_from_a_variable_and_a_limit_may_be_zero(tmp_path: Path) -> None:
    assert in_params(tmp_path, "timeout: os.environ/T", "rpm: 0", more=ENFORCED) == []


SECOND = "  - model_name: a\n    litellm_params: {{model: openai/gpt-4o, api_key: none{}}}\n"


@pytest.mark.parametrize(("first", "second"), [("", ""), ("order: 1", ""), ("order: 1", "1")])
def test_an_alias_twice_without_an_order_of_its_own(
    tmp_path: Path, first: str, second: str
) -> None:
    last = SECOND.format(f", order: {second}" if second else "")
    said = in_params(tmp_path, *([first] if first else []), more=last)
    place = f"first in {tmp_path}/config.yaml:2"
    assert said == [f"{7 if first else 6}: a is given twice, {place}: {SHUFFLED}"]


def test_an_alias_twice_with_an_order_each(tmp_path: Path) -> None:
    assert in_params(tmp_path, "order: 1", more=SECOND.format(", order: 2")) == []


def test_an_alias_three_times(tmp_path: Path) -> None:
    more = SECOND.format(", order: 2") + SECOND.format(", order: 3")
    (said,) = in_params(tmp_path, "order: 1", more=more)
    place = f"first in {tmp_path}/config.yaml:2"
    assert said.startswith(f"9: a is given more than twice, {place}: ")


def test_an_alias_of_the_config_again_in_an_overlay(tmp_path: Path) -> None:
    said = with_overlay(tmp_path, ENTRY, "model_list:\n" + SECOND.format(""))
    place = f"first in {tmp_path}/config.yaml:2"
    assert said == [f"overlay.yaml:2: a is given twice, {place}: {SHUFFLED}"]


@pytest.mark.parametrize(
    "params",
    [
        "model: openai/gemini-3.5-flash",  # LiteLLM knows it, and as another provider's
        "model: anthropic/claude-3-5-sonnet-20241022",
        "model: hosted_vllm/mine\n      input_cost_per_token: 0.1",
        "model: azure/our-deployment",
        "model: gpt-none",
    ],
)
def test_an_alias_without_a_price(tmp_path: Path, params: str) -> None:
    text = f"model_list:\n\n  - model_name: a\n    litellm_params:\n      {params}\n"
    model = params.split()[1]
    assert in_config(tmp_path, text) == [
        f"3: a has no price, and LiteLLM knows none for {model}: {GIVE_ONE}"
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "litellm_params: {model: anthropic/claude-opus-4-8}",
        "litellm_params: {model: gemini/gemini-3.5-flash}",
        "litellm_params: {model: vertex_ai/gemini-3.5-flash}",
        "litellm_params: {model: claude-opus-4-8}",
        "litellm_params: {model: azure/ours}, model_info: {base_model: azure/gpt-4o-mini}",
        f"litellm_params: {{model: openai/x}}, model_info: {{{PRICES}}}",
        f"litellm_params: {{model: openai/x, {PRICES}}}",
        "litellm_params: {model: gpt-4o-mini, custom_llm_provider: openai}",
    ],
)
def test_an_alias_whose_price_is_given_or_known(tmp_path: Path, entry: str) -> None:
    assert in_config(tmp_path, f"model_list: [{{model_name: a, {entry}}}]") == []


def test_a_free_alias_needs_no_price(tmp_path: Path) -> None:
    entry = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/mine}\n"
    assert in_config(tmp_path, entry + "    model_info: {free: true}\n") == []
    assert len(in_config(tmp_path, entry + "    model_info: {free: maybe}\n")) == 1
