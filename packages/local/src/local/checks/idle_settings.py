"""Refuses settings that LiteLLM takes and does nothing with, where no database is connected.

All of it measured on the LiteLLM that is locked; each reason says what to use instead.
"""

from collections.abc import Iterator, Sequence

from local.checks.source import Mistake, Place, Source, parts
from local.run.config import REFERENCE

ENFORCES_LIMITS = "enforce_model_rate_limits"
LIMITS = ("rpm", "tpm")
LANGFUSE_HOSTS = {"LANGFUSE_HOST", "LANGFUSE_OTEL_HOST"}
CALLBACKS = ("callbacks", "success_callback", "failure_callback")


def listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def idle_settings(source: Source) -> Iterator[Mistake]:
    settings = source.section("litellm_settings")
    for key in {"max_budget", "budget_duration"} & settings.keys():
        yield source.mistake(
            ("litellm_settings", key),
            f"litellm_settings.{key} does nothing without a database: give usd_per_month in"
            " budgets (an alias) or in projects (a project)",
        )
    if "otel" in listed(settings.get("service_callback")):
        yield source.mistake(
            ("litellm_settings", "service_callback"),
            'service_callback: ["otel"] exports nothing: use callbacks: ["otel"]',
        )
    if "include" in source.config:
        yield source.mistake(
            ("include",), "a file that is included would not be checked: say it all in this one"
        )


def unenforced_limits(sources: Sequence[Source]) -> Iterator[Mistake]:
    """A limit of any file, when none of them lets LiteLLM enforce limits."""
    checks = [s.section("router_settings").get("optional_pre_call_checks") for s in sources]
    if any(ENFORCES_LIMITS in listed(check) for check in checks):
        return
    for source in sources:
        for place, key in limits(source):
            yield source.mistake(
                (*place, key),
                f"{key} is not enforced: add"
                f' optional_pre_call_checks: ["{ENFORCES_LIMITS}"] to router_settings',
            )


def limits(source: Source) -> Iterator[tuple[Place, str]]:
    for place, entry in source.entries():
        for part, keys in parts(place, entry):
            for key in LIMITS:
                if keys.get(key) is not None:
                    yield part, key


def langfuse_without_host(sources: Sequence[Source]) -> Iterator[Mistake]:
    if any(LANGFUSE_HOSTS & source.section("environment_variables").keys() for source in sources):
        return
    for source in sources:
        for key in CALLBACKS:
            names = listed(source.section("litellm_settings").get(key))
            if {"langfuse", "langfuse_otel"} & set(filter(lambda n: isinstance(n, str), names)):
                yield source.mistake(
                    ("litellm_settings", key),
                    "langfuse without a host sends everything to its vendor's cloud: set"
                    " LANGFUSE_HOST in environment_variables",
                )


def late_variables(sources: Sequence[Source]) -> Iterator[Mistake]:
    """What environment_variables sets is not there yet when model_list is read."""
    too_late = {name for source in sources for name in source.section("environment_variables")}
    for source in sources:
        for place, entry in source.entries():
            for key, value in entry["litellm_params"].items():
                name = str(value).removeprefix(REFERENCE)
                if str(value).startswith(REFERENCE) and name in too_late:
                    yield source.mistake(
                        (*place, "litellm_params", key),
                        f"environment_variables sets {name} too late for model_list: set it in the"
                        " environment of the gateway",
                    )
