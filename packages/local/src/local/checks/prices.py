"""Which models LiteLLM knows a price for, as its own price map says, without importing it."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from local.run.config import Config

PRICE_MAP = "model_prices_and_context_window_backup.json"
NEEDED = ("input_cost_per_token", "output_cost_per_token")


@cache
def price_map() -> dict[str, dict[str, Any]]:
    """What the installed LiteLLM reads when it may not look up a newer one.

    Raises:
        ModuleNotFoundError: LiteLLM is not installed.
    """
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("litellm is not installed")
    prices: dict[str, dict[str, Any]] = json.loads(
        Path(spec.origin).with_name(PRICE_MAP).read_text("utf-8")
    )
    return prices


def has_price(entry: Config) -> bool:
    """Whether an answer of this entry has a cost: its own prices, or those of LiteLLM's map."""
    info = entry.get("model_info")
    given = (info if isinstance(info, dict) else {}) | entry["litellm_params"]
    if complete(given):
        return True
    models = [entry["litellm_params"]["model"], given.get("base_model")]
    provider = given.get("custom_llm_provider")
    return any(
        complete(known)
        for model in models
        if isinstance(model, str)
        for known in found(model, provider)
    )


def complete(prices: Mapping[str, Any]) -> bool:
    return all(prices.get(name) is not None for name in NEEDED)


def found(model: str, provider: str | None) -> list[dict[str, Any]]:
    """The price map's entries for `<provider>/<model>`, or a bare model; not another provider's."""
    named, _, bare = model.rpartition("/") if provider else model.partition("/")
    if not bare or not named:
        named, bare = "", model
    provider = provider or named
    prices = price_map()
    candidates = [prices.get(model, {}), prices.get(f"{provider}/{bare}", {})]
    if bare in prices and is_of(provider, str(prices[bare].get("litellm_provider"))):
        candidates.append(prices[bare])
    return candidates


def is_of(provider: str, named: str) -> bool:
    """Whether the map's name is this provider, or one of its kinds; any is if none is given."""
    kinds = (f"{provider}-", f"{provider}_converse")
    return not provider or named == provider or named.startswith(kinds)
