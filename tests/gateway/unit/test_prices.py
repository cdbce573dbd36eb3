"""No alias is used without anybody knowing what it costs."""

from typing import Any

import pytest

from policy.config import PolicyError
from policy.rules.prices import require

COSTS: dict[str, Any] = {"input_cost_per_token": 0.1, "output_cost_per_token": 0.2}


def entry(info: Any = None, **params: Any) -> dict[str, Any]:
    return {"model_name": "a", "litellm_params": {"model": "x/y"} | params, "model_info": info}


@pytest.mark.parametrize(
    "priced",
    [
        entry(**COSTS),
        entry(info=COSTS),
        entry(info={"free": True}),
        entry(model="known"),
        entry(info={"base_model": "known"}),
    ],
    ids=["params", "info", "free", "known", "base"],
)
def test_a_price_may_stand_in_several_places(priced: dict[str, Any]) -> None:
    require([priced], {"known"}.__contains__)


@pytest.mark.parametrize(
    "unpriced",
    [
        entry(),
        entry(input_cost_per_token=0.1),
        entry(info={"free": "yes"}),
        entry(**(COSTS | {"output_cost_per_token": -1})),
        entry(**(COSTS | {"output_cost_per_token": "0.1"})),
    ],
    ids=["none", "half", "not-said", "negative", "text"],
)
def test_an_alias_without_one_is_refused_by_name(unpriced: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="no price is known for a: give"):
        require([entry(**COSTS), unpriced], {"known"}.__contains__)
