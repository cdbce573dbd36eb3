"""Which models LiteLLM knows a price for, as its own price map says, without importing it."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PRICE_MAP = "model_prices_and_context_window_backup.json"
COSTS = ("input_cost_per_token", "output_cost_per_token")


@cache
def price_map() -> dict[str, dict[str, Any]]:
    """What the installed LiteLLM reads when it may not look up a newer one."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("litellm is not installed")
    prices: dict[str, dict[str, Any]] = json.loads(
        Path(spec.origin).with_name(PRICE_MAP).read_text("utf-8")
    )
    return prices


def has_price(entry: Mapping[str, Any]) -> bool:
    """Whether the cost of an answer is known: it is free, or priced here or in LiteLLM's map."""
    info, params = entry.get("model_info"), entry["litellm_params"]
    given = (info if isinstance(info, dict) else {}) | params
    models = [model for model in (params["model"], given.get("base_model")) if model]
    places = [given, *(known for model in models for known in found(str(model), given))]
    return given.get("free") is True or any(
        all(place.get(cost) is not None for cost in COSTS) for place in places
    )


def found(model: str, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The price map's entries for `<provider>/<model>`, or a bare model; not another provider's."""
    provider = given.get("custom_llm_provider")
    named, _, bare = model.rpartition("/") if provider else model.partition("/")
    if not bare or not named:
        named, bare = "", model
    provider = str(provider or named)
    prices = price_map()
    yield prices.get(model, {})
    yield prices.get(f"{provider}/{bare}", {})
    of = str(prices.get(bare, {}).get("litellm_provider"))
    kinds = (f"{provider}-", f"{provider}_converse")
    if not provider or of == provider or of.startswith(kinds):
        yield prices.get(bare, {})
