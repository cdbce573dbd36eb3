"""The metrics of this process: tool calls, upstreams, followed files, the audit record."""

import platform
from collections.abc import Iterable, Mapping

from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
)

from chassis.errors import IdentityUnavailable, InternalError
from chassis.telemetry.metrics import ExportMetrics, new_registry

UNKNOWN = "unknown"
"""The label of every tool that is not offered: a caller's word makes no series."""
NOT_RECORDED = "audit_unavailable"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one application, in a registry of its own.

    Args:
        version: of the gateway.
    """

    def __init__(self, version: str) -> None:
        self.registry = new_registry()
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
            buckets=SECONDS,
        )
        self._refused = Counter(
            "mcp_refused_requests_total",
            "Requests that were refused before any tool was looked at.",
            ["code"],
            registry=self.registry,
        )
        # What an alert waits for is there before it happens: a first value is no increase.
        for error in (InternalError, IdentityUnavailable):
            self._refused.labels(error.code)
        self._up = self._gauge(
            "mcp_upstream_up",
            "Whether an upstream server is connected and its tools are offered.",
            "server",
        )
        self._changed = self._gauge(
            "mcp_upstream_tools_changed",
            "Tools that are not offered, because they are not what they were.",
            "server",
        )
        self._taken = self._gauge(
            "mcp_file_taken", "Whether a file as it is now is what counts.", "file"
        )
        self._behind = self._gauge(
            "mcp_audit_behind_seconds",
            "For how long the database has not taken the events that are being written.",
        )
        self._silent = self._gauge(
            "mcp_audit_unheard_seconds",
            "How long ago the record's database last took a sign of life of this gateway.",
        )
        self.exports = ExportMetrics(self.registry)
        build = {"version": version, "python": platform.python_version()}
        self._gauge("mcp_build_info", "What runs here.", *build).labels(**build).set(1)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

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

    def offered(self, tools: Iterable[str]) -> None:
        """Which tools there are, at the time of a scrape: their series are there from 0 on."""
        for tool in (*tools, UNKNOWN):
            self._calls.labels(tool, NOT_RECORDED)

    def files(self, taken: Mapping[str, bool]) -> None:
        """Which files are as they count, at the time of a scrape."""
        for file, is_taken in taken.items():
            self._taken.labels(file).set(is_taken)

    def audit(self, *, behind: float, silent: float) -> None:
        """The state of the record, at the time of a scrape; both in seconds."""
        self._behind.set(behind)
        self._silent.set(silent)
