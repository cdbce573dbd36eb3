"""How calls together spare a gateway in trouble: circuit breakers, and a budget for retries.

What failed again and again just now is not asked, but for a few probes. There is a breaker for each
model alias, and one for the gateway that all of them live behind: while it is down, calls fail at
once; the first probe that gets through lets all of them go again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cachetools import LRUCache

from api.errors import GatewayError, GatewayUnavailable

FAILURES_IN_A_ROW = 5
"""As Envoy's outlier detection has it for answers of 5xx."""
GATEWAY_OPEN_SECONDS = 1.0
MODEL_OPEN_SECONDS = 5.0
MAX_MODELS = 1000


class Breaker:
    """Opens at so many failures in a row; open, it lets one attempt through each interval.

    Args:
        interval: between two probes, in seconds.
        clock: the time, in seconds.
    """

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self.last_error = GatewayError()
        self._interval = interval
        self._clock = clock
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing but probes is let through."""
        return self._failures >= FAILURES_IN_A_ROW

    @property
    def seconds_to_probe(self) -> float:
        """How long nothing at all is let through; 0 when an attempt may be made."""
        return max(0.0, self._next_probe - self._clock()) if self.is_open else 0.0

    def probe(self) -> None:
        """Takes note of an attempt that begins; of an open breaker, the interval's only one."""
        self._next_probe = self._clock() + self._interval

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, error: GatewayError) -> None:
        # Calls from before it opened may fail for as long as their deadline, and put off no probe.
        if not self.is_open:
            self._next_probe = self._clock() + self._interval
        self._failures += 1
        self.last_error = error


class Breakers:
    """The breakers of one process.

    Args:
        clock: the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._gateway = Breaker(GATEWAY_OPEN_SECONDS, clock)
        self._models: LRUCache[str, Breaker] = LRUCache(MAX_MODELS)

    def refusal(self, model: str) -> GatewayError | None:
        """Why this model is not to be asked now; None lets the attempt through."""
        breakers = [self._gateway, *filter(None, [self._models.get(model)])]
        for breaker in breakers:
            if wait := breaker.seconds_to_probe:
                why = f"failed too often just now, at last: {breaker.last_error.reason}"
                return type(breaker.last_error)(why, retry_after=wait)
        for breaker in breakers:
            breaker.probe()
        return None

    @property
    def gateway_is_open(self) -> bool:
        """Whether the attempt that was just let through is a probe of the gateway."""
        return self._gateway.is_open

    @property
    def open_models(self) -> list[str]:
        """The models that nothing but probes is let through to."""
        return [model for model, breaker in self._models.items() if breaker.is_open]

    def gateway_is_back(self) -> None:
        """The gateway answers again, whatever it says."""
        self._gateway.succeeded()

    def answered(self, model: str) -> None:
        """The model has begun to answer."""
        self.gateway_is_back()
        self._models.pop(model, None)

    def failed(self, model: str, error: GatewayError) -> None:
        """An attempt failed before the model began to answer."""
        if isinstance(error, GatewayUnavailable):
            self._gateway.failed(error)
        elif error.is_gateways_word:
            self.gateway_is_back()
        if error.blames_the_model:
            if model not in self._models:
                self._models[model] = Breaker(MODEL_OPEN_SECONDS, self._clock)
            self._models[model].failed(error)


SHARE = 0.1
"""Of the calls under way. Google SRE's bound on extra load; Envoy's default is 0.2."""
ALWAYS = 3
"""Retries that are let through however few calls are under way, as in Envoy."""


class RetryBudget:
    """Counts calls and retries; a retry is one from the decision to make it until its end."""

    def __init__(self) -> None:
        self.calls = 0
        self.retries = 0

    @property
    def has_room(self) -> bool:
        """Whether one more retry may be made."""
        return self.retries < self.limit

    @property
    def limit(self) -> float:
        """How many retries may be under way at once."""
        return max(ALWAYS, SHARE * self.calls)

    @contextmanager
    def call(self) -> Generator[None]:
        """Counts a call for the block."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    @contextmanager
    def retry(self) -> Generator[None]:
        """Counts a retry for the block."""
        self.retries += 1
        try:
            yield
        finally:
            self.retries -= 1


@dataclass(frozen=True, slots=True)
class Overload:
    """What all calls of a process share.

    Attributes:
        gateway_is_ready: asks no model. A gateway that is back is known by it before the first
            answer is complete.
    """

    clock: Callable[[], float]
    breakers: Breakers
    gateway_is_ready: Callable[[], Awaitable[bool]]
    budget: RetryBudget = field(default_factory=RetryBudget)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
