"""What a Prometheus is told of this process; a replica has its own, and none knows a caller."""

import platform

from prometheus_client import Counter, Gauge

from api.errors import AccessUnavailable
from api.llm.call import alias_of
from api.llm.settings import LlmSettings
from api.telemetry.call_metrics import CallMetrics
from api.telemetry.process_metrics import StateMetrics
from chassis.errors import IdentityUnavailable, InternalError, Overloaded
from chassis.telemetry.metrics import ExportMetrics, new_registry


class Metrics:
    """The metrics of one application, in a registry of its own.

    Args:
        version: of the service.
        lane: the chat client's name.
    """

    def __init__(self, settings: LlmSettings, version: str, lane: str) -> None:
        self.registry = new_registry()
        models = {settings.llm_default_model, *settings.llm_fallback_models}
        known = {alias_of(model) for model in models} | settings.thinking_aliases
        self.calls = CallMetrics(self.registry, known)
        self.state = StateMetrics(self.registry, self.calls.models)
        self.exports = ExportMetrics(self.registry)
        self._refused = Counter(
            "llm_refused_requests_total",
            "Requests that a problem was the answer to, and that are no call.",
            ["code"],
            registry=self.registry,
        )
        # 1. What an alert waits for is there from the start: a first value is no increase.
        for error in (InternalError, Overloaded, IdentityUnavailable, AccessUnavailable):
            self._refused.labels(error.code)
        self._decisions = Counter(
            "llm_openfga_decisions_total",
            "Answers of OpenFGA.",
            ["decision"],
            registry=self.registry,
        )
        build = {
            "version": version,
            "python": platform.python_version(),
            "lane": lane,
        }
        info = Gauge("llm_build_info", "What runs here.", build, registry=self.registry)
        info.labels(**build).set(1)

    def refused(self, code: str) -> None:
        """A request was answered with the problem of this code."""
        self._refused.labels(code).inc()

    def decided(self, decision: str) -> None:
        """OpenFGA was asked, and this is what came of it."""
        self._decisions.labels(decision).inc()
