"""A span to an observation, by the mapping that Langfuse documents for OpenTelemetry.

`langfuse.*` wins; where it is absent, `gen_ai.*` of the semantic conventions is read.
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.langfuse.otlp import Attributes, Span

Record = dict[str, Any]

PROJECT = "local"
OBSERVATION = "langfuse.observation."
TRACE = "langfuse.trace."
ROOTS = ("langfuse.internal.is_app_root", "langfuse.internal.as_root")
LEVELS = {"DEBUG", "DEFAULT", "WARNING", "ERROR"}
LONGEST_TAG = 200
"""Langfuse drops a longer one."""


@dataclass(frozen=True, slots=True)
class Observation:
    """
    Attributes:
        record: as the public API has it, with its times as such. Of its trace it has what this
            span says; of tokens and cost a `total`, where somebody knows them.
        trace_metadata: what this span says of its trace, and the record has no place for.
        size: in bytes, as it was sent.
    """

    record: Record
    trace_metadata: Attributes
    size: int


def observation_of(span: Span) -> Observation:
    said, sent = span.attributes, span.attributes | span.resource
    model = text(said, f"{OBSERVATION}model.name", "gen_ai.response.model", "gen_ai.request.model")
    kind, level = (str(said.get(f"{OBSERVATION}{key}", "")).upper() for key in ("type", "level"))
    used = {way: said.get(f"gen_ai.usage.{way}_tokens") for way in ("input", "output")}
    usage = counted(mapping(said.get(f"{OBSERVATION}usage_details")) or used)
    cost = counted(mapping(said.get(f"{OBSERVATION}cost_details")))
    start, end = (datetime.fromtimestamp(at / 1e9, UTC) for at in (span.start, span.end))
    first_word = moment(said.get(f"{OBSERVATION}completion_start_time"))
    record = {
        "id": span.id,
        "traceId": span.trace,
        "startTime": start,
        "endTime": end,
        "projectId": PROJECT,
        "parentObservationId": span.parent or None,
        "isRootObservation": not span.parent or any(said.get(name) is True for name in ROOTS),
        "type": kind or ("GENERATION" if model else "SPAN"),
        "name": span.name,
        "level": level if level in LEVELS else "DEFAULT" if span.error is None else "ERROR",
        "statusMessage": text(said, f"{OBSERVATION}status_message") or span.error or None,
        "environment": text(sent, "langfuse.environment") or "default",
        "completionStartTime": first_word,
        "input": text(said, f"{OBSERVATION}input", "gen_ai.input.messages"),
        "output": text(said, f"{OBSERVATION}output", "gen_ai.output.messages"),
        "metadata": keyed(said, f"{OBSERVATION}metadata") | {"resourceAttributes": span.resource},
        "model": model,
        "modelParameters": mapping(said.get(f"{OBSERVATION}model.parameters")),
        "usageDetails": usage,
        "costDetails": cost,
        "totalCost": cost.get("total"),
        "latency": (end - start).total_seconds(),
        "timeToFirstToken": (first_word - start).total_seconds() if first_word else None,
        "userId": text(said, "langfuse.user.id", "user.id"),
        "sessionId": text(said, "langfuse.session.id", "session.id"),
        "tags": tags_of(parsed(said.get(f"{TRACE}tags"))),
        "release": text(sent, "langfuse.release"),
        "traceName": text(said, f"{TRACE}name"),
    }
    return Observation(record, keyed(said, f"{TRACE}metadata"), span.size)


def text(said: Attributes, *names: str) -> str | None:
    """The first of these that is there; what is no string as JSON."""
    value = next((said[name] for name in names if said.get(name) is not None), None)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def parsed(value: Any) -> Any:
    """A string that is JSON as what it says, without a NaN; anything else as it is."""
    try:
        return json.loads(value, parse_constant=str) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def mapping(value: Any) -> Attributes:
    found = parsed(value)
    return found if isinstance(found, dict) else {}


def keyed(said: Attributes, prefix: str) -> Attributes:
    """What is said under this name, as JSON, and under `name.key`, one by one."""
    begin = f"{prefix}."
    return mapping(said.get(prefix)) | {
        name.removeprefix(begin): parsed(said[name]) for name in said if name.startswith(begin)
    }


def counted(said: Attributes) -> dict[str, float]:
    """The numbers, with their total; what is below 0, or no number at all, does not count."""
    found = {
        name: value
        for name, value in said.items()
        if isinstance(value, int | float) and math.isfinite(value) and value >= 0
    }
    return {"total": sum(found.values())} | found if found else {}


def tags_of(said: Any) -> list[str]:
    named = said if isinstance(said, list) else []
    return [tag for tag in named if isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG]


def moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(parsed(value))
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
