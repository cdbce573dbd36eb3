"""How the spans of calls fare on their way out, as it is when somebody looks."""

from collections.abc import Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge


class Export(Protocol):
    receiver: str
    sent: int
    dropped: int

    @property
    def queued(self) -> int:
        """Traces that wait to be sent."""
        ...


class ExportMetrics:
    """One series for each receiver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sent = Counter(
            "llm_traces_sent_total",
            "Traces that a receiver took, one for each call.",
            ["receiver"],
            registry=registry,
        )
        self._dropped = Counter(
            "llm_traces_dropped_total",
            "Traces that a receiver did not take, and that are not kept any more.",
            ["receiver"],
            registry=registry,
        )
        self._queued = Gauge(
            "llm_traces_queued", "Traces that wait to be sent.", ["receiver"], registry=registry
        )
        self._told: dict[str, tuple[int, int]] = {}

    def look(self, exports: Sequence[Export]) -> None:
        """Takes note of how things are."""
        for export in exports:
            sent, dropped = self._told.get(export.receiver, (0, 0))
            self._sent.labels(export.receiver).inc(export.sent - sent)
            self._dropped.labels(export.receiver).inc(export.dropped - dropped)
            self._queued.labels(export.receiver).set(export.queued)
            self._told[export.receiver] = export.sent, export.dropped
