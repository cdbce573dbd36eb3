"""The traces that are kept: the newest observations, so many bytes of them and no more."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from local.langfuse.observations import PROJECT, Observation, Record, moment

MOST_BYTES = 64 * 1024 * 1024
MOST_OBSERVATIONS = 20_000
MOST_ANSWERED = 1000
UNUSED = {"input": 0, "output": 0, "total": 0}
QUERY = {"traceId", "type", "fields", "fromStartTime", "limit", "cursor"}
"""`fields` is known, and nothing is left out."""


def path_of(trace_id: str) -> str:
    """Where the page of a trace is; Langfuse has it there."""
    return f"/project/{PROJECT}/traces/{trace_id}"


def trace_of(kept: list[Observation]) -> Record:
    """What its observations say together, as version 3 has it; they are by their start."""
    records = sorted((each.record for each in kept), key=lambda record: record["startTime"])

    def first(name: str) -> str | None:
        return next((record[name] for record in records if record[name]), None)

    name, tags = first("traceName") or records[0]["name"], (r["tags"] for r in records)
    common = {"tags": sorted(set().union(*tags)), "traceName": name}
    common |= {name: first(name) for name in ("userId", "sessionId", "release")}
    priced = [record["totalCost"] for record in records if record["costDetails"]]
    start = records[0]["startTime"]
    return common | {
        "id": records[0]["traceId"],
        "timestamp": start,
        "name": name,
        "public": False,
        "environment": records[0]["environment"],
        "htmlPath": path_of(records[0]["traceId"]),
        "metadata": {key: each.trace_metadata[key] for each in kept for key in each.trace_metadata},
        "latency": (max(record["endTime"] for record in records) - start).total_seconds(),
        "totalCost": sum(priced) if priced else None,
        "observations": [
            each | common | {"usage": UNUSED | each["usageDetails"]} for each in records
        ],
        "scores": [],
    }


class Memory:
    """Where there is too much of them, the oldest observations make room and are counted."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, most_observations: int = MOST_OBSERVATIONS
    ) -> None:
        self._most_bytes = most_bytes
        self._most_observations = most_observations
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str], Observation] = OrderedDict()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, observations: Iterable[Observation]) -> None:
        """Keeps them; one that was sent before takes the place of its first sending."""
        for one in observations:
            key = (one.record["traceId"], one.record["id"])
            before = self._kept.pop(key, None)
            self._bytes += one.size - (before.size if before else 0)
            self._kept[key] = one
        while self._bytes > self._most_bytes or len(self._kept) > self._most_observations:
            self._bytes -= self._kept.popitem(last=False)[1].size
            self.dropped += 1

    def traces(self, trace_id: str | None = None) -> list[Record]:
        """All of them, the newest first; or the one with this id, where it is here."""
        found: dict[str, list[Observation]] = {}
        for (name, _), one in self._kept.items():
            if trace_id in (None, name):
                found.setdefault(name, []).append(one)
        return [trace_of(found[name]) for name in reversed(found)]

    def trace(self, trace_id: str) -> Record | None:
        return next(iter(self.traces(trace_id)), None)

    def answer(self, query: Mapping[str, str]) -> Record:
        """A page of `GET /api/public/v2/observations`.

        Raises:
            ValueError: Langfuse would refuse it, or it is not answered here; nothing is left out.
        """
        if unknown := query.keys() - QUERY:
            raise ValueError(f"not understood here: {', '.join(sorted(unknown))}")
        limit, begin = int(query.get("limit", 50)), int(query.get("cursor") or 0)
        since = moment(query.get("fromStartTime", datetime.fromtimestamp(0, UTC).isoformat()))
        if not 0 < limit <= MOST_ANSWERED or begin < 0 or since is None:
            raise ValueError(f"limit is from 1 to {MOST_ANSWERED}, and a time is of ISO 8601")
        found = [
            record
            for trace in self.traces(query.get("traceId"))
            for record in reversed(trace["observations"])
            if query.get("type") in (None, record["type"]) and record["startTime"] >= since
        ]
        end = begin + limit
        return {"data": found[begin:end], "meta": {"cursor": str(end)} if found[end:] else {}}
