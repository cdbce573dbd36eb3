"""What a Prometheus is told of this process: calls by tool and outcome, and the upstreams."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from api.export_metrics import ExportMetrics

UNKNOWN = "unknown"
"""The label of every tool that is not offered: a caller's word makes no series."""


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._calls = Counter(
            "mcp_tool_calls_total",
            "Calls of tools, by how they ended.",
            ["tool", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "mcp_tool_call_duration_seconds",
            "From the decision to the recorded outcome.",
            ["tool"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self._refused = Counter(
            "mcp_refused_requests_total",
            "Requests that were refused before any tool was looked at.",
            ["code"],
            registry=self.registry,
        )
        self._up = Gauge(
            "mcp_upstream_up",
            "Whether an upstream server is connected and its tools are offered.",
            ["server"],
            registry=self.registry,
        )
        self._changed = Gauge(
            "mcp_upstream_tools_changed",
            "Tools that are not offered, because they are not what they were.",
            ["server"],
            registry=self.registry,
        )

        self.exports = ExportMetrics(self.registry)

    def refused(self, code: str) -> None:
        """One request that a problem was the answer to."""
        self._refused.labels(code).inc()

    def called(self, tool: str, outcome: str, seconds: float) -> None:
        """One call of a tool.

        Args:
            tool: of those that are offered, or `UNKNOWN`.
            outcome: `succeeded`, or why not: of a few words.
        """
        self._calls.labels(tool, outcome).inc()
        self._seconds.labels(tool).observe(seconds)

    def upstreams(self, states: Iterable[tuple[str, bool, int]]) -> None:
        """Which upstream servers are connected, at the time of a scrape.

        Args:
            states: of each its name, whether it is up, and how many of its tools changed.
        """
        self._up.clear()
        self._changed.clear()
        for server, is_up, changed in states:
            self._up.labels(server).set(is_up)
            self._changed.labels(server).set(changed)
