"""Refuses an alias whose cost would be unknown, and one that LiteLLM would shuffle."""

from collections.abc import Iterator, Sequence

from local.checks.prices import has_price
from local.checks.source import Mistake, Place, Source
from local.run.config import Config


def without_price(source: Source) -> Iterator[Mistake]:
    """An overlay is let off: on a laptop and in a test a cost may be unknown."""
    for place, entry in source.entries():
        is_free = (entry.get("model_info") or {}).get("free") is True
        if not source.is_overlay and not is_free and not has_price(entry):
            model = entry["litellm_params"]["model"]
            yield source.mistake(
                (*place, "model_name"),
                f"{entry['model_name']} has no price, and LiteLLM knows none for {model}: give"
                " input_cost_per_token and output_cost_per_token in its litellm_params, or"
                " `model_info: {free: true}` for what costs nothing",
            )


def without_order(sources: Sequence[Source]) -> Iterator[Mistake]:
    """Of entries with the same name LiteLLM takes a random one, but for their `order`."""
    entries: dict[str, list[tuple[Source, Place, Config]]] = {}
    for source in sources:
        for place, entry in source.entries():
            entries.setdefault(entry["model_name"], []).append((source, place, entry))
    for alias, same in entries.items():
        first, first_place, _ = same[0]
        orders = [entry["litellm_params"].get("order") for _, _, entry in same]
        for number, (source, place, _) in enumerate(same[1:], start=1):
            if None in orders[: number + 1] or orders[number] in orders[:number]:
                yield source.mistake(
                    (*place, "model_name"),
                    f"{alias} is given twice, first in {first.path}:{first.line(first_place)}:"
                    " without an order of its own in litellm_params for each, LiteLLM takes one"
                    " at random",
                )
