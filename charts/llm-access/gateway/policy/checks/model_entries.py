"""What the entries of `model_list` have to be to one another, to projects and to budgets."""

from collections.abc import Iterator, Sequence
from typing import Any

from policy.checks.config_file import ConfigFile, Mistake, Place
from policy.checks.prices import has_price
from policy.checks.schema import unknown


def without_price(file: ConfigFile) -> Iterator[Mistake]:
    for place, entry in file.entries():
        if not has_price(entry):
            yield file.mistake(
                (*place, "model_name"),
                f"{entry['model_name']} has no price, and LiteLLM knows none for"
                f" {entry['litellm_params']['model']}: give input_cost_per_token and"
                " output_cost_per_token in its litellm_params, or `model_info: {free: true}` for"
                " what costs nothing",
            )


def without_order(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    """Of entries with the same name LiteLLM takes a random one, but for their `order`."""
    entries: dict[str, list[tuple[ConfigFile, Place, dict[str, Any]]]] = {}
    for file in files:
        for place, entry in file.entries():
            entries.setdefault(entry["model_name"], []).append((file, place, entry))
    for alias, same in entries.items():
        first, first_place, _ = same[0]
        where = f"{first.path}:{first.lines[first_place]}"
        orders = [entry["litellm_params"].get("order") for _, _, entry in same]
        is_random = None in orders[:2] or orders[:1] == orders[1:2]
        for file, place, _ in same[1:2] if is_random else []:
            yield file.mistake(
                (*place, "model_name"),
                f"{alias} is given twice, first in {where}: without `order: 1` and `order: 2` in"
                " their litellm_params LiteLLM takes one at random",
            )
        for file, place, _ in same[2:]:
            yield file.mistake(
                (*place, "model_name"),
                f"{alias} is given more than twice, first in {where}: each entry may be a call to"
                " a provider, and the service counts on two",
            )


def unknown_aliases(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    aliases = {entry["model_name"] for file in files for _, entry in file.entries()}
    for file in files:
        for alias in file.section("budgets").keys() - aliases:
            yield file.mistake(
                ("budgets", alias), unknown("model_list has no alias", alias, aliases)
            )
        for project, entry in file.section("projects").items():
            models = entry.get("models") if isinstance(entry, dict) else None
            if isinstance(models, list) and not all(
                isinstance(model, str) and model in aliases for model in models
            ):
                place = ("projects", project, "models")
                yield file.mistake(place, f"models: {models!r} is not a list of aliases")
