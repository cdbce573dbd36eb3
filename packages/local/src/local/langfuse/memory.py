"""The traces that are kept: the newest observations, so many bytes of them and no more."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from local.langfuse.observations import Observation

MOST_BYTES = 64 * 1024 * 1024
MOST_OBSERVATIONS = 20_000


@dataclass(frozen=True)
class Trace:
    """What its observations say together.

    Attributes:
        observations: by their start; at least one.
    """

    id: str
    observations: list[Observation]

    @property
    def root(self) -> Observation:
        """The one without a parent here, or the first."""
        known = {each.id for each in self.observations}
        return next(
            (each for each in self.observations if each.parent not in known), self.observations[0]
        )

    @property
    def name(self) -> str:
        return self._first("trace_name") or self.root.name

    @property
    def user(self) -> str | None:
        return self._first("user")

    @property
    def session(self) -> str | None:
        return self._first("session")

    @property
    def release(self) -> str | None:
        return self._first("release")

    @property
    def environment(self) -> str:
        return self.root.environment

    @cached_property
    def tags(self) -> list[str]:
        return sorted({tag for each in self.observations for tag in each.tags})

    @cached_property
    def metadata(self) -> dict[str, Any]:
        return {k: v for each in self.observations for k, v in each.trace_metadata.items()}

    @property
    def start(self) -> datetime:
        return self.observations[0].start

    @property
    def latency(self) -> float:
        """In seconds."""
        return (max(each.end for each in self.observations) - self.start).total_seconds()

    @property
    def generations(self) -> list[Observation]:
        return [each for each in self.observations if each.type == "GENERATION"]

    @property
    def tokens(self) -> int:
        return sum(each.usage.get("total", 0) for each in self.observations)

    @property
    def cost(self) -> float | None:
        """USD, or None where no observation has a price."""
        priced = [each.cost["total"] for each in self.observations if each.cost]
        return sum(priced) if priced else None

    def _first(self, name: str) -> str | None:
        said = (getattr(each, name) for each in self.observations)
        return next((value for value in said if value), None)


class Memory:
    """
    Args:
        most_bytes, most_observations: what is kept; the oldest make room.
    """

    def __init__(
        self, most_bytes: int = MOST_BYTES, most_observations: int = MOST_OBSERVATIONS
    ) -> None:
        self._most_bytes = most_bytes
        self._most_observations = most_observations
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str], Observation] = OrderedDict()
        self._traces: OrderedDict[str, dict[str, Observation]] = OrderedDict()
        self.dropped = 0
        """The observations that had to make room."""

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, observations: Iterable[Observation]) -> None:
        """Keeps them; one that was sent before takes the place of its first sending."""
        for each in observations:
            self._remove(each.trace, each.id)
            self._kept[each.trace, each.id] = each
            self._traces.setdefault(each.trace, {})[each.id] = each
            self._bytes += each.size
        while self._bytes > self._most_bytes or len(self._kept) > self._most_observations:
            self._remove(*next(iter(self._kept)))
            self.dropped += 1

    def trace(self, trace_id: str) -> Trace | None:
        found = self._traces.get(trace_id)
        if not found:
            return None
        return Trace(trace_id, sorted(found.values(), key=lambda each: each.start))

    def traces(self) -> Iterator[Trace]:
        """All of them, the newest first."""
        for trace_id in reversed(self._traces):
            if (found := self.trace(trace_id)) is not None:
                yield found

    def _remove(self, trace_id: str, observation_id: str) -> None:
        gone = self._kept.pop((trace_id, observation_id), None)
        if gone is None:
            return
        self._bytes -= gone.size
        of_trace = self._traces[trace_id]
        del of_trace[observation_id]
        if not of_trace:
            del self._traces[trace_id]
