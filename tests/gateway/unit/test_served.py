"""An entry of the config is served when every variable that it names is set."""

import logging
from typing import Any

import pytest

from policy.refusal import PolicyError
from policy.rules.served_models import places

Entry = dict[str, Any]


def entry(alias: str, **params: Any) -> Entry:
    return {"model_name": alias, "litellm_params": {"model": f"openai/{alias}"} | params}


KEYLESS = entry("keyless", api_base="http://127.0.0.1:9")
NAMED = entry("named", api_key="os.environ/KEY", headers={"x-org": "os.environ/ORG"})
LISTED = entry("listed") | {"more": [{"of": "os.environ/KEY"}]}


def test_an_entry_that_names_no_variable_or_whose_variables_are_set_is_served() -> None:
    set_here = entry("named", api_key="k", headers={"x-org": "o"})
    assert places([KEYLESS, NAMED], [KEYLESS, set_here]) == (0, 1)
    assert places([], []) == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_one_with_a_variable_unset_or_empty_is_not_and_the_log_names_it(
    nothing: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    unset = entry("named", api_key=nothing, headers={"x-org": nothing})
    in_a_list = entry("listed") | {"more": [{"of": nothing}]}
    with caplog.at_level(logging.WARNING, "gateway.policy"):
        assert places([NAMED, KEYLESS, LISTED], [unset, KEYLESS, in_a_list]) == (1,)
    (line,) = caplog.messages
    assert line.removeprefix("not served: ").split("; ") == [
        "named (openai/named) for want of KEY, ORG",
        "listed (openai/listed) for want of KEY",
    ]


def test_where_nothing_is_left_nothing_is_started() -> None:
    with pytest.raises(PolicyError, match=r"Not served: listed \(openai/listed\) for want of KEY$"):
        places([LISTED], [entry("listed") | {"more": [{"of": None}]}])


def test_a_list_that_is_not_the_configs_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        places([KEYLESS, NAMED], [KEYLESS])
