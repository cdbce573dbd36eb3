"""When to ask again, when to ask another model, when to give up: decisions without HTTP.

`next_step` is the policy, `Attempts` carries it out, tenacity draws the waits. A gateway that says
when to come back is not asked again before; when that is too far off, a fallback answers or the
caller is told. Sources: the table of failures in the README, and Google SRE's bound on attempts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from api.errors import GatewayError, GatewayTimeout, StreamInterrupted
from api.schemas import Attempt

MAX_ATTEMPTS = 5
MAX_WAIT_SECONDS = 20.0
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)
"""Full jitter, in seconds: the platform's page names this very strategy."""


@dataclass(frozen=True, slots=True)
class Failure:
    model: str
    error: GatewayError


@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt: which model, after how many seconds."""

    model: str
    wait: float = 0.0


def next_step(
    models: Sequence[str], failures: Sequence[Failure], *, remaining: float, backoff: float
) -> Step | None:
    """What to do after the last of these failures; None is to give up.

    Args:
        models: the requested model, then its fallbacks in order.
        failures: those of this call so far, at least one.
        remaining: seconds to the deadline.
        backoff: seconds to wait before the same model is asked again, unless told a longer time.
    """
    last = failures[-1]
    if len(failures) >= MAX_ATTEMPTS or remaining <= 0:
        return None
    asked = [failure.model for failure in failures]
    is_requested = last.model == models[0]
    if is_requested and asked.count(last.model) <= last.error.retries:
        wait = max(backoff, last.error.retry_after or 0)
        if wait < min(remaining, MAX_WAIT_SECONDS):
            return Step(last.model, wait)
    if last.error.ends_the_call or (is_requested and not last.error.falls_back):
        return None
    return next((Step(model) for model in models if model not in asked), None)


def backoff(attempt: int) -> float:
    """Seconds to wait after the attempt of this number, counted from 1."""
    state = RetryCallState(AsyncRetrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    return BACKOFF(state)


def in_order(requested: str, fallbacks: Sequence[str]) -> tuple[str, ...]:
    """The requested model, then its fallbacks: those of another provider first."""
    others = [model for model in dict.fromkeys(fallbacks) if model != requested]
    return (requested, *sorted(others, key=lambda model: family(model) == family(requested)))


def family(alias: str) -> str:
    """The provider's family of models, as its aliases begin: `gemini`, `claude`, `gpt`."""
    return alias.split("-", maxsplit=1)[0]


class Attempts:
    """The attempts of one call: iterate, and do each one in its own `with` block.

    Raises from the iteration, when nothing more is to be tried, the requested model's error, or
    that of the gateway itself, with the receipt of all attempts.

    Args:
        models: the requested model, then its fallbacks, as the gateway names them.
        deadline: for the whole call with its waits, in the clock's time.
    """

    def __init__(
        self,
        models: Sequence[str],
        deadline: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.receipt: list[Attempt] = []
        self.answered = False
        """Set as soon as a byte of the answer is out; from then on nothing is tried again."""
        self.clock = clock
        self._models = models
        self._deadline = deadline
        self._sleep = sleep
        self._failures: list[Failure] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "OneAttempt":
        step = self._next_step()
        if step is None:
            raise self._final_error() from None
        if step.wait > 0:
            await self._sleep(step.wait)
        return OneAttempt(self, step)

    def note(self, model: str, error: GatewayError) -> GatewayError:
        """Takes note of a failed attempt; gives back what it means for the call."""
        if self.answered and not isinstance(error, GatewayTimeout):
            error = StreamInterrupted(error.reason)
        self._failures.append(Failure(model, error))
        return error

    def _next_step(self) -> Step | None:
        if not self._failures:
            return Step(self._models[0])
        if self.answered:
            return None
        return next_step(
            self._models,
            self._failures,
            remaining=self._deadline - self.clock(),
            backoff=backoff(len(self._failures)),
        )

    def _final_error(self) -> GatewayError:
        error = self._failures[-1].error
        if not self.answered and not error.ends_the_call:
            of_requested = [f.error for f in self._failures if f.model == self._models[0]]
            error = of_requested[-1]
        error.extra["attempts"] = [attempt.model_dump() for attempt in self.receipt]
        return error


class OneAttempt:
    """One attempt in progress; the outcome of its block goes into the receipt."""

    def __init__(self, attempts: Attempts, step: Step) -> None:
        self.model = step.model
        self._attempts = attempts
        self._wait = step.wait
        self._began = attempts.clock()

    def __enter__(self) -> Self:
        return self

    def succeeded(self) -> None:
        """Writes the receipt of an answered attempt, for the answer that carries it."""
        self._write("ok", 200, "")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if not isinstance(error, GatewayError):
            return None
        meaning = self._attempts.note(self.model, error)
        self._write(meaning.code, meaning.status, meaning.reason)
        return True

    def _write(self, outcome: str, status: int, reason: str) -> None:
        took = self._attempts.clock() - self._began
        self._attempts.receipt.append(
            Attempt(
                model=self.model,
                outcome=outcome,
                status=status,
                wait_ms=round(self._wait * 1000),
                duration_ms=round(took * 1000),
            ).because(reason)
        )
