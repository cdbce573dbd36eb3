"""What the config says to the policy: its sections `attribution`, `projects` and `budgets`.

Read once, at the start. A section that cannot be understood ends the start, with the reason.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policy.rules.budgets import Budget
from policy.rules.rate_limits import Limit

DEFAULT = "default"
ATTRIBUTION = ("required", "warn")
PROJECT_FIELDS = ("models", "rpm", "tpm", "usd_per_month")


class PolicyError(Exception):
    """The policy cannot be had as it is written. The message is one line that says where."""


@dataclass(frozen=True, slots=True)
class ProjectPolicy:
    """What a project may use; None is no limit.

    Attributes:
        models: the aliases it may call.
        rpm, tpm: requests and tokens per minute.
    """

    models: frozenset[str] | None = None
    rpm: int | None = None
    tpm: int | None = None
    usd_per_month: float | None = None


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """
    Attributes:
        aliases: every alias that is served, in the order of the config.
        required: whether a call without attribution is refused.
        named: the projects that have an entry of their own.
        default: what holds for every other one.
        budgets: USD per month by alias.
        rates: `rpm` and `tpm` of each alias.
    """

    aliases: tuple[str, ...]
    required: bool
    named: Mapping[str, ProjectPolicy]
    default: ProjectPolicy
    budgets: Mapping[str, float]
    rates: Mapping[str, Limit]

    def limits(self, alias: str | None, project: str | None) -> list[Limit]:
        """What binds a call of this alias for this project, per minute."""
        policy = self.project(project)
        ours = Limit(named(project), policy.rpm, policy.tpm)
        rate = self.rates.get(alias or "")
        return [rate, ours] if rate else [ours]

    def budgets_of(self, alias: str | None, project: str | None) -> list[Budget]:
        """What binds a call of this alias for this project, per month."""
        ours = Budget(named(project), self.project(project).usd_per_month)
        return [Budget(f"model {alias}", self.budgets.get(alias)), ours] if alias else [ours]

    def project(self, project: str | None) -> ProjectPolicy:
        return self.named.get(project, self.default) if project else self.default

    def models(self, project: str | None) -> list[str]:
        """The aliases that this project may call, in the order of the config."""
        allowed = self.project(project).models
        return [alias for alias in self.aliases if allowed is None or alias in allowed]


def named(project: str | None) -> str:
    return f"project {project or '(none)'}"


def read(path: Path) -> dict[str, Any]:
    """The gateway's config as its YAML reads."""
    return mapping(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)


def parse(config: Mapping[str, Any], served: Sequence[Mapping[str, Any]]) -> PolicyConfig:
    """
    Args:
        config: the gateway's, as its YAML reads. What it says of an alias that is not served is no
            mistake.
        served: those entries of its `model_list` that are.

    Raises:
        PolicyError: a section cannot be understood.
    """
    listed = names_of(config.get("model_list") or ())
    aliases = names_of(served)
    attribution = config.get("attribution", ATTRIBUTION[0])
    if attribution not in ATTRIBUTION:
        raise PolicyError(f"attribution: {attribution!r} is none of {', '.join(ATTRIBUTION)}")
    entries = {
        name: mapping(entry, f"projects.{name}")
        for name, entry in mapping(config.get("projects") or {}, "projects").items()
    }
    default = entries.pop(DEFAULT, {})
    budgets = mapping(config.get("budgets") or {}, "budgets")
    known(budgets, listed, "budgets")
    return PolicyConfig(
        aliases,
        attribution == ATTRIBUTION[0],
        {name: project({**default, **entry}, name, listed) for name, entry in entries.items()},
        project(default, DEFAULT, listed),
        {alias: amount(usd, f"budgets.{alias}") for alias, usd in budgets.items()},
        {alias: rate(alias, served) for alias in aliases},
    )


def names_of(model_list: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry["model_name"] for entry in model_list))


def rate(alias: str, model_list: Sequence[Mapping[str, Any]]) -> Limit:
    """What its entries may do together; an entry without a limit leaves the alias without one."""
    fields = {}
    for field in ("rpm", "tpm"):
        each = [
            whole(entry.get(field, (entry.get("litellm_params") or {}).get(field)), alias, field)
            for entry in model_list
            if entry["model_name"] == alias
        ]
        limits = [limit for limit in each if limit is not None]
        fields[field] = sum(limits) if len(limits) == len(each) else None
    return Limit(f"model {alias}", **fields)


def project(entry: Mapping[str, Any], name: str, aliases: Collection[str]) -> ProjectPolicy:
    place = f"projects.{name}"
    known(entry, PROJECT_FIELDS, place)
    models = entry.get("models")
    if models is not None:
        if not isinstance(models, list):
            raise PolicyError(f"{place}.models: not a list of aliases")
        known(models, aliases, f"{place}.models")
    usd = entry.get("usd_per_month")
    return ProjectPolicy(
        models=None if models is None else frozenset(models),
        rpm=whole(entry.get("rpm"), place, "rpm"),
        tpm=whole(entry.get("tpm"), place, "tpm"),
        usd_per_month=None if usd is None else amount(usd, f"{place}.usd_per_month"),
    )


def whole(limit: object, place: str, field: str) -> int | None:
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise PolicyError(f"{place}.{field}: {limit!r} is not a whole number from 0 on")
    return limit


def amount(usd: object, place: str) -> float:
    if isinstance(usd, int | float) and not isinstance(usd, bool) and 0 <= usd < float("inf"):
        return float(usd)
    raise PolicyError(f"{place}: {usd!r} is not an amount of USD from 0 on")


def mapping(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PolicyError(f"{place}: not a mapping of names")
    return value


def known(names: Collection[str], possible: Collection[str], place: str) -> None:
    for name in names:
        if name not in possible:
            raise PolicyError(f"{place}: there is no {name!r}")
