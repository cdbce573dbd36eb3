"""Refuses mistakes in what this gateway adds to LiteLLM's config: projects, budgets."""

import re
from collections.abc import Iterator, Sequence

from gateway.checks.known_keys import unknown
from gateway.checks.limits import Rule, amount, count, judged
from gateway.checks.source import Mistake, Source

PROJECT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
OF_A_PROJECT: dict[str, Rule] = {
    "requests_per_minute": count,
    "tokens_per_minute": count,
    "usd_per_month": amount,
}
OF_AN_ALIAS: dict[str, Rule] = {"usd_per_month": amount}
ATTRIBUTION = ("refuse", "warn")


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
            yield from settings(source, "projects", project, OF_A_PROJECT)
        for alias in source.section("budgets"):
            if alias not in aliases:
                yield unknown(source, ("budgets", alias), aliases, "model_list has no alias")
            yield from settings(source, "budgets", alias, OF_AN_ALIAS)
        if source.config.get("attribution", ATTRIBUTION[0]) not in ATTRIBUTION:
            value = source.config["attribution"]
            yield source.mistake(("attribution",), f"attribution: {value!r} is not refuse or warn")


def settings(
    source: Source, section: str, owner: object, rules: dict[str, Rule]
) -> Iterator[Mistake]:
    given = source.config[section][owner]
    if not isinstance(given, dict):
        yield source.mistake(
            (section, owner), f"{owner} needs a mapping in {section}: {', '.join(rules)}"
        )
        return
    for key, value in given.items():
        if key not in rules:
            yield unknown(source, (section, owner, key), rules, f"{section} has no")
        elif value is None:
            yield source.mistake((section, owner, key), f"{key} has no value")
        else:
            yield from judged(source, (section, owner, key), rules[key], value)
