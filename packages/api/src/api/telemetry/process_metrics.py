"""The state of this process as numbers, as it is when somebody looks."""

from math import nan
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

from api.llm.overload import Breakers, Overload
from chassis.admission import Admission
from chassis.identity.callers import Identity
from chassis.telemetry.metrics import LabelNames


class HasOverload(Protocol):
    @property
    def overload(self) -> Overload: ...


class HasRunning(Protocol):
    @property
    def running(self) -> int: ...


class ProcessState(Protocol):
    """What is looked at."""

    @property
    def admission(self) -> Admission: ...
    @property
    def streams(self) -> HasRunning: ...
    @property
    def llm(self) -> HasOverload: ...
    @property
    def identity(self) -> Identity: ...


class StateMetrics:
    """
    Args:
        models: those that may be a label.
    """

    def __init__(self, registry: CollectorRegistry, models: LabelNames) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(name, what, labels, registry=registry)

        self._models = models
        self._in_flight = gauge("llm_in_flight", "Calls under way, open streams included.")
        self._in_flight_limit = gauge("llm_in_flight_limit", "How many may be.")
        self._streams = gauge("llm_open_streams", "Streams under way.")
        self._draining = gauge("llm_draining", "1 while the process shuts down.")
        self._gateway = gauge(
            "llm_gateway_breaker_open", "1 while the gateway is not asked, but for probes."
        )
        self._breakers = gauge(
            "llm_breaker_open", "1 while the model is not asked, but for probes.", "model"
        )
        self._retrying = gauge("llm_retrying", "Calls that ask again after a failure.")
        self._retrying_limit = gauge("llm_retrying_limit", "How many may, for the calls under way.")
        self._keys = gauge(
            "llm_realm_keys_age_seconds",
            "Since the realm's keys were read; NaN where no realm is asked.",
        )

    def look(self, state: ProcessState) -> None:
        """Takes note of how things are."""
        self._in_flight.set(state.admission.in_flight)
        self._in_flight_limit.set(state.admission.max_in_flight)
        self._streams.set(state.streams.running)
        self._draining.set(state.admission.draining)
        self._look_at(state.llm.overload.breakers)
        self._retrying.set(state.llm.overload.budget.retries)
        self._retrying_limit.set(state.llm.overload.budget.limit)
        age = state.identity.keys_age
        self._keys.set(nan if age is None else age)

    def _look_at(self, breakers: Breakers) -> None:
        self._gateway.set(breakers.gateway_is_open)
        is_open = dict.fromkeys(self._models.known, False)
        for model in breakers.open_models:
            is_open[self._models.label(model)] = True
        for model, value in is_open.items():
            self._breakers.labels(model).set(value)
