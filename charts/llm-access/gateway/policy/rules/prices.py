"""Every alias has a price, or says that it has none: an unknown price would be spent as 0."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policy.config import PolicyError

COSTS = ("input_cost_per_token", "output_cost_per_token")


def require(model_list: Iterable[Mapping[str, Any]], known: Callable[[str], bool]) -> None:
    """
    Args:
        known: whether LiteLLM has a price of its own for a provider's model.

    Raises:
        PolicyError: an alias could be used without anybody knowing what it costs.
    """
    without = sorted({e["model_name"] for e in model_list if not is_priced(e, known)})
    if without:
        raise PolicyError(
            f"no price is known for {', '.join(without)}: give {' and '.join(COSTS)} in"
            " litellm_params, or `model_info: {free: true}` for what costs nothing"
        )


def is_priced(entry: Mapping[str, Any], known: Callable[[str], bool]) -> bool:
    info, params = entry.get("model_info") or {}, entry.get("litellm_params") or {}
    if info.get("free") is True:
        return True
    if any(all(is_price(place.get(cost)) for cost in COSTS) for place in (params, info)):
        return True
    return known(str(info.get("base_model") or params.get("model")))


def is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
