"""Refuses a limit, a time, a number of retries or a price that is no such number."""

import re
from collections.abc import Callable, Iterator
from math import isfinite
from typing import TypeGuard

from local.checks.source import Mistake, Place, Source, parts
from local.run.config import REFERENCE

DURATION = re.compile(r"\d+(s|m|h|d|w|mo)")


def number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def count(value: object) -> str | None:
    """Why the value is no limit that counts something."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return "is not a whole number of 0 or more"
    return None


def position(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return "is not a whole number of 1 or more"
    return None


def amount(value: object) -> str | None:
    """Why the value is no sum of money."""
    if isinstance(value, str) and is_number_as_text(value):
        return "is a text: YAML wants a point in a number with an e, as in 1.0e-6"
    if not number(value) or value < 0:
        return "is not a number of 0 or more"
    return None


def is_number_as_text(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def seconds(value: object) -> str | None:
    if isinstance(value, str) and value.startswith(REFERENCE):
        return None
    if not number(value) or value <= 0:
        return "is not a number of seconds above 0"
    return None


def duration(value: object) -> str | None:
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        return (
            "is not a duration such as 30s, 5m, 12h or 30d; a calendar month is what budgets counts"
        )
    return None


Rule = Callable[[object], str | None]

TRIES: dict[str, Rule] = {
    "num_retries": count,
    "max_retries": count,
    "allowed_fails": count,
    "max_fallbacks": count,
}
TIMES: dict[str, Rule] = dict.fromkeys(("timeout", "stream_timeout", "request_timeout"), seconds)
LIMITS: dict[str, Rule] = dict.fromkeys(("rpm", "tpm", "itpm", "otpm"), count)
OTHERS: dict[str, Rule] = {
    "max_parallel_requests": count,
    "order": position,
    "max_budget": amount,
    "budget_duration": duration,
}
OF_AN_ENTRY = TRIES | TIMES | LIMITS | OTHERS


def rule_for(key: str) -> Rule | None:
    return OF_AN_ENTRY.get(key) or (amount if "cost_per_" in key else None)


def wrong_numbers(source: Source) -> Iterator[Mistake]:
    for section in ("litellm_settings", "router_settings"):
        for key, value in source.section(section).items():
            rule = (TRIES | TIMES).get(key)
            yield from judged(source, (section, key), rule, value)
    for provider, budget in budgets_of_providers(source).items():
        for key, rule in (("budget_limit", amount), ("time_period", duration)):
            if isinstance(budget, dict) and key in budget:
                budgets: Place = ("router_settings", "provider_budget_config", provider)
                yield from judged(source, (*budgets, key), rule, budget[key])
    for place, entry in source.entries():
        for part, keys in parts(place, entry):
            for key, value in keys.items():
                yield from judged(source, (*part, key), rule_for(str(key)), value)


def budgets_of_providers(source: Source) -> dict[str, object]:
    config = source.section("router_settings").get("provider_budget_config")
    return config if isinstance(config, dict) else {}


def judged(source: Source, place: Place, rule: Rule | None, value: object) -> Iterator[Mistake]:
    """The mistake, if the value is one; nothing is said of a value that is not given."""
    if rule is not None and value is not None and (reason := rule(value)):
        yield source.mistake(place, f"{place[-1]}: {value!r} {reason}")
