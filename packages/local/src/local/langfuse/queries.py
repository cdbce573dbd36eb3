"""What the public API is asked for: which records, how many, and from where on."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from local.langfuse.memory import Memory, Trace
from local.langfuse.records import Record, observation_record, trace_record, whole_trace_record

MOST_OBSERVATIONS = 1000
MOST_TRACES = 100
PLAIN = {
    "name", "type", "traceId", "level", "parentObservationId", "version", "userId", "sessionId",
}  # fmt: skip
GROUPS = {
    "core", "basic", "time", "io", "metadata", "model", "usage", "prompt", "metrics",
    "trace_context",
}  # fmt: skip
OF_OBSERVATIONS = PLAIN | {
    "fields", "expandMetadata", "limit", "cursor", "parseIoAsJson", "environment",
    "isRootObservation", "fromStartTime", "toStartTime",
}  # fmt: skip
OF_TRACES = {
    "page", "limit", "userId", "name", "sessionId", "fromTimestamp", "toTimestamp", "tags",
    "release", "environment", "fields",
}  # fmt: skip
"""`fields` is known, and nothing is left out."""


class BadQuery(ValueError):
    """Langfuse would refuse it, or it cannot be answered here; it is never just left out."""


class Query:
    """
    Args:
        given: the query string, each name with all its values.
        known: the names that are understood.

    Raises:
        BadQuery: there is another.
    """

    def __init__(self, given: Mapping[str, list[str]], known: set[str]) -> None:
        if unknown := given.keys() - known:
            raise BadQuery(f"not understood here: {', '.join(sorted(unknown))}")
        self._given = given

    def all(self, name: str) -> list[str]:
        return self._given.get(name, [])

    def one(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        said = self.one(name)
        if said is None:
            return default
        if not (said.isascii() and said.isdigit() and least <= int(said[:9]) <= most):
            raise BadQuery(f"{name} must be a number from {least} to {most}")
        return int(said)

    def moment(self, name: str) -> datetime | None:
        said = self.one(name)
        try:
            found = datetime.fromisoformat(said) if said else None
        except ValueError:
            raise BadQuery(f"{name} must be a time of ISO 8601") from None
        return found.replace(tzinfo=found.tzinfo or UTC) if found else None

    def within(self, moment: datetime, begin: str, end: str) -> bool:
        after, before = self.moment(begin), self.moment(end)
        return (after is None or moment >= after) and (before is None or moment < before)


def observations(memory: Memory, given: Mapping[str, list[str]]) -> Record:
    """A page of `GET /api/public/v2/observations`."""
    query = Query(given, OF_OBSERVATIONS)
    if query.one("parseIoAsJson") == "true":
        raise BadQuery("parseIoAsJson: input and output are strings")
    limit = query.number("limit", 50, 1, MOST_OBSERVATIONS)
    begin = offset_of(query.one("cursor"))
    wanted = {"core", *(query.one("fields") or "core,basic").split(",")}
    if unknown := wanted - GROUPS:
        raise BadQuery(f"no such fields: {', '.join(sorted(unknown))}")
    named = query.one("traceId")
    traces = memory.traces() if named is None else filter(None, [memory.trace(named)])
    found = [
        {k: v for name in groups if name in wanted for k, v in groups[name].items()}
        for trace in traces
        for one in reversed(trace.observations)
        if query.within(one.start, "fromStartTime", "toStartTime")
        and is_wanted(groups := observation_record(one, trace), query)
    ]
    page = found[begin : begin + limit]
    is_last = begin + limit >= len(found)
    return {"data": page, "meta": {} if is_last else {"cursor": cursor_of(begin + limit)}}


def is_wanted(groups: Mapping[str, Record], query: Query) -> bool:
    record = groups["core"] | groups["basic"]
    root, environments = query.one("isRootObservation"), query.all("environment")
    return (
        all(query.one(name) in (None, record[name]) for name in PLAIN)
        and root in (None, str(record["isRootObservation"]).lower())
        and (not environments or record["environment"] in environments)
    )


def traces(memory: Memory, given: Mapping[str, list[str]]) -> Record:
    """A page of `GET /api/public/traces`, which version 3 has."""
    query = Query(given, OF_TRACES)
    limit, page = query.number("limit", 50, 1, MOST_TRACES), query.number("page", 1, 1, 10**6)
    found = [trace for trace in memory.traces() if is_wanted_trace(trace, query)]
    begin = (page - 1) * limit
    return {
        "data": [trace_record(trace) for trace in islice(found, begin, begin + limit)],
        "meta": {
            "page": page,
            "limit": limit,
            "totalItems": len(found),
            "totalPages": -(-len(found) // limit),
        },
    }


def is_wanted_trace(trace: Trace, query: Query) -> bool:
    said: dict[str, Any] = {
        "userId": trace.user,
        "name": trace.name,
        "sessionId": trace.session,
        "release": trace.release,
    }
    environments = query.all("environment")
    return (
        all(query.one(name) in (None, value) for name, value in said.items())
        and set(query.all("tags")) <= set(trace.tags)
        and (not environments or trace.environment in environments)
        and query.within(trace.start, "fromTimestamp", "toTimestamp")
    )


def trace(memory: Memory, trace_id: str) -> Record | None:
    """`GET /api/public/traces/{id}`, which version 3 has."""
    found = memory.trace(trace_id)
    return whole_trace_record(found) if found else None


def cursor_of(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def offset_of(cursor: str | None) -> int:
    try:
        said = base64.urlsafe_b64decode(cursor or "MA==").decode()
        if said.isascii() and said.isdigit() and len(said) < 10:
            return int(said)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise BadQuery("no such cursor")
