"""Refuses what LiteLLM would ignore without a word: a key that it does not know."""

import json
import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path

from local.checks.source import Mistake, Place, Source, lack_of

LITELLM_KEYS = Path(__file__).with_name("litellm_keys.json")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OURS = {"projects", "budgets", "attribution"}
REFUSED_FOR_A_BETTER_REASON = {"include"}
SECTIONS = ("litellm_settings", "router_settings", "general_settings", "environment_variables")
MAPPINGS = {*SECTIONS, "projects", "budgets"}


def unknown(source: Source, place: Place, known: Collection[str], whose: str) -> Mistake:
    """The mistake for a key that is none, with the nearest that is one.

    Args:
        place: the key last.
        whose: who does not know it, and what for.
    """
    reason = f"{whose} {place[-1]!r}"
    near = get_close_matches(str(place[-1]), known, n=1, cutoff=0.75)
    return source.mistake(place, f"{reason}; did you mean {near[0]!r}?" if near else reason)


def unknown_keys(source: Source) -> Iterator[Mistake]:
    known = json.loads(LITELLM_KEYS.read_text(encoding="utf-8"))
    for key in source.config:
        if key not in {*known["config"], *OURS, *REFUSED_FOR_A_BETTER_REASON}:
            yield unknown(source, (key,), [*known["config"], *OURS], "a config has no section")
    for section in SECTIONS[:3]:
        for key in source.section(section):
            if key not in known[section]:
                yield unknown(source, (section, key), known[section], f"{section} has no")
    for name in source.section("environment_variables"):
        if not isinstance(name, str) or not VARIABLE.fullmatch(name):
            place: Place = ("environment_variables", name)
            yield source.mistake(place, f"{name!r} is not the name of a variable")
    for place, entry in source.entries():
        for part, keys, name in (
            (place, entry, "entry of model_list"),
            ((*place, "litellm_params"), entry["litellm_params"], "litellm_params"),
        ):
            for key in keys:
                if key not in known[name]:
                    whose = "LiteLLM knows no" if name == "litellm_params" else "an entry has no"
                    yield unknown(source, (*part, key), known[name], whose)


def repeated_keys(source: Source) -> Iterator[Mistake]:
    for place, line, first in source.repeated:
        reason = f"{place[-1]!r} is given twice, first in line {first}: the last would win"
        yield Mistake(source.path, line, reason)


def misshapen(source: Source) -> Iterator[Mistake]:
    """What is no section or no entry, so that no other check looks at it."""
    for section in MAPPINGS & source.config.keys():
        value = source.config[section]
        if value is not None and not isinstance(value, dict):
            yield source.mistake((section,), f"{section} is not a mapping")
    model_list = source.config.get("model_list")
    if model_list is not None and not isinstance(model_list, list):
        yield source.mistake(("model_list",), "model_list is not a list")
        return
    for number, entry in enumerate(model_list or []):
        if (lack := lack_of(entry)) is not None:
            yield source.mistake(("model_list", number), lack)
