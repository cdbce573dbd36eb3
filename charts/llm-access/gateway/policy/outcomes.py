"""What became of a call, as LiteLLM tells its loggers of each attempt and of each refusal."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

UNLISTED = "unlisted"
WRONG_KEY = "401"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Attributes:
        model: the alias, or `unlisted` for one that the config does not list.
        status: of the HTTP answer; 499 where the client left before the end.
        project, solution: on whom it is booked; empty where nobody is known.
        seconds: from asking the provider to its last word; None where none was asked.
    """

    model: str
    status: str
    project: str
    solution: str
    seconds: float | None
    input_tokens: int
    output_tokens: int
    usd: float


def outcome(
    details: Mapping[str, Any], ended: datetime, aliases: Collection[str], status: str
) -> Outcome:
    """
    Args:
        details: what LiteLLM calls `kwargs` in the hooks of its loggers.
        ended: the `end_time` of the same hook.
        aliases: every one that the config lists.
        status: the one to take where LiteLLM says none.
    """
    booked = details.get("standard_logging_object") or {}
    alias = text(booked.get("model_group")) or text(details.get("model"))
    status = str((booked.get("error_information") or {}).get("error_code") or status)
    asked = asked_at(details)
    metadata = {} if asked is None and status == WRONG_KEY else written(details)
    return Outcome(
        model=alias if alias in aliases else UNLISTED,
        status=status,
        project=text((booked.get("metadata") or {}).get("user_api_key_alias"))
        or text(metadata.get("project_id")),
        solution=text(metadata.get("solution")),
        seconds=None if asked is None else max(0.0, (ended - asked).total_seconds()),
        input_tokens=booked.get("prompt_tokens") or 0,
        output_tokens=booked.get("completion_tokens") or 0,
        usd=booked.get("response_cost") or 0.0,
    )


def asked_at(details: Mapping[str, Any]) -> datetime | None:
    """When the provider was asked, the last time; None for a call that was refused before."""
    asked = details.get("api_call_start_time")
    return asked if isinstance(asked, datetime) else None


def written(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata that the policy checked, where LiteLLM keeps it for its loggers."""
    params = details.get("litellm_params") or {}
    for place in ("metadata", "litellm_metadata"):
        metadata = params.get(place)
        if isinstance(metadata, dict) and metadata.get("project_id"):
            return metadata
    return {}


def text(value: object) -> str:
    return value if isinstance(value, str) else ""
