"""Refuses mistakes in what this gateway adds to LiteLLM's config: projects and budgets."""

import re
from collections.abc import Collection, Iterator, Sequence

from local.checks.known_keys import unknown
from local.checks.limits import Rule, amount, count, judged
from local.checks.source import Mistake, Source

PROJECT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MODELS = "models"
NUMBERS: dict[str, Rule] = {"rpm": count, "tpm": count, "usd_per_month": amount}
OF_A_PROJECT = (MODELS, *NUMBERS)
ATTRIBUTION = ("required", "warn")


def wrong_accounts(sources: Sequence[Source]) -> Iterator[Mistake]:
    aliases = {entry["model_name"] for source in sources for _, entry in source.entries()}
    for source in sources:
        for project in source.section("projects"):
            if not isinstance(project, str) or not PROJECT_ID.fullmatch(project):
                yield source.mistake(
                    ("projects", project),
                    f"{project!r} is not a project id: letters, digits, dots, underscores and"
                    " hyphens, 128 at most, a letter or a digit first; in quotes if it is a number",
                )
            yield from wrong_project(source, project, aliases)
        for alias, budget in source.section("budgets").items():
            if alias not in aliases:
                yield unknown(source, ("budgets", alias), aliases, "model_list has no alias")
            if budget is None:
                yield source.mistake(("budgets", alias), f"{alias} has no value")
            yield from judged(source, ("budgets", alias), amount, budget)
        if source.config.get("attribution", ATTRIBUTION[0]) not in ATTRIBUTION:
            value = source.config["attribution"]
            yield source.mistake(
                ("attribution",), f"attribution: {value!r} is not {' or '.join(ATTRIBUTION)}"
            )


def wrong_project(source: Source, project: object, aliases: Collection[str]) -> Iterator[Mistake]:
    given = source.config["projects"][project]
    if not isinstance(given, dict):
        yield source.mistake(
            ("projects", project),
            f"{project} needs a mapping in projects: {', '.join(OF_A_PROJECT)}",
        )
        return
    for key, value in given.items():
        place = ("projects", project, key)
        if key not in OF_A_PROJECT:
            yield unknown(source, place, OF_A_PROJECT, "projects has no")
        elif value is None:
            yield source.mistake(place, f"{key} has no value")
        elif key != MODELS:
            yield from judged(source, place, NUMBERS[key], value)
        elif not isinstance(value, list) or not set(value) <= set(aliases):
            yield source.mistake(place, f"{MODELS}: {value!r} is not a list of aliases")
