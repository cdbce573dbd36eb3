"""What a Prometheus is told: a registry, labels within bounds, the answer, and how exports fare."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics import MetricWrapperBase
from starlette.requests import Request
from starlette.responses import Response

Metric = TypeVar("Metric", bound=MetricWrapperBase)


def new_registry() -> CollectorRegistry:
    """A registry of one application's own, with what is told of any process."""
    # 1. Of the whole library: else each series of a counter comes with the time it was made.
    disable_created_metrics()
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


async def metrics_response(request: Request, registry: CollectorRegistry) -> Response:
    """All series as text; in OpenMetrics' form for who asks for it."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    # 2. In a thread: some thousand series take longer than a stream should have to wait.
    text = await asyncio.to_thread(encode, registry)
    return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


class LabelNames:
    """What may be a label: so many names, and those after them share one.

    Args:
        known: those that are told apart from the beginning.
        most: how many are told apart.
        rest: the label of all others.
    """

    def __init__(self, known: Iterable[str], most: int, rest: str) -> None:
        self.known = set(known)
        self._most = most
        self._rest = rest

    def learn(self, name: str) -> None:
        """Tells this name apart from now on, where there is room."""
        if len(self.known) < self._most:
            self.known.add(name)

    def label(self, name: str) -> str:
        """The name, or that of the rest."""
        return name if name in self.known else self._rest


class LabelledChildren(dict[tuple[str, ...], Metric], Generic[Metric]):
    """A metric's children by their labels. To find one here takes no lock, and makes no string."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Metric:
        child = self[labels] = self._metric.labels(*labels)
        return child


class Export(Protocol):
    """How an export of traces fares; a trace is one call.

    Attributes:
        receiver: its name.
        sent: traces that it took.
        dropped: those that it did not, and that are not kept any more.
    """

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
            before, now = self._told.get(export.receiver, (0, 0)), (export.sent, export.dropped)
            self._sent.labels(export.receiver).inc(now[0] - before[0])
            self._dropped.labels(export.receiver).inc(now[1] - before[1])
            self._queued.labels(export.receiver).set(export.queued)
            self._told[export.receiver] = now
