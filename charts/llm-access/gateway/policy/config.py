"""What the config says to the policy: its sections `attribution`, `projects` and `budgets`.

Read once, at the start, after `checks` found no mistake in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.rules.budgets import Budget
from policy.rules.rate_limits import Limit

DEFAULT = "default"
REQUIRED = "required"


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


def parse(config: Mapping[str, Any], served: Sequence[Mapping[str, Any]]) -> PolicyConfig:
    """
    Args:
        config: the gateway's, as its YAML reads.
        served: those entries of its `model_list` whose variables are set.
    """
    aliases = tuple(dict.fromkeys(entry["model_name"] for entry in served))
    entries = dict(config.get("projects") or {})
    default = entries.pop(DEFAULT, {})
    return PolicyConfig(
        aliases,
        config.get("attribution", REQUIRED) == REQUIRED,
        {name: project(default | entry) for name, entry in entries.items()},
        project(default),
        dict(config.get("budgets") or {}),
        {alias: rate(alias, served) for alias in aliases},
    )


def rate(alias: str, model_list: Sequence[Mapping[str, Any]]) -> Limit:
    """What its entries may do together; an entry without a limit leaves the alias without one."""
    entries = [entry for entry in model_list if entry["model_name"] == alias]
    fields: dict[str, int | None] = {}
    for field in ("rpm", "tpm"):
        limits = [entry.get(field, entry["litellm_params"].get(field)) for entry in entries]
        fields[field] = None if None in limits else sum(limits)
    return Limit(f"model {alias}", fields["rpm"], fields["tpm"])


def project(entry: Mapping[str, Any]) -> ProjectPolicy:
    models = entry.get("models")
    return ProjectPolicy(**{**entry, "models": None if models is None else frozenset(models)})
