"""The attempts of one call, made as `attempts.py` decides, and the receipt of what came of them."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Self

from api.errors import GatewayError, GatewayTimeout, StreamInterrupted
from api.llm.breakers import Breakers
from api.llm.observers import Attempt
from api.llm.one_attempt import OneAttempt
from api.llm.retry_budget import RetryBudget
from api.llm.retry_policy import MAX_CALLS, Failure, Step, backoff, next_step
from api.schemas import AttemptReport


@dataclass(frozen=True, slots=True)
class Bounds:
    """What all calls of a process share, so that together they spare a gateway in trouble."""

    clock: Callable[[], float]
    breakers: Breakers
    gateway_is_ready: Callable[[], Awaitable[bool]]
    """Asks no model. A gateway that is back is known by it before the first answer is complete."""
    budget: RetryBudget = field(default_factory=RetryBudget)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@contextmanager
def attempts_of(models: Sequence[str], deadline: float, bounds: Bounds) -> "Generator[Attempts]":
    """The attempts of one call, which is under way as long as the block."""
    with bounds.budget.call():
        yield Attempts(models, deadline, bounds)


class Attempts:
    """Iterate, and do each attempt in its own `with` block.

    Raises from the iteration, when nothing more is to be tried, the requested model's error, or
    that of the gateway itself, with the receipt of all attempts. Ends without one only after an
    empty answer whose repair failed: that answer is the caller's.

    Args:
        models: the requested model, then its fallbacks, as the gateway names them.
        deadline: for the whole call with its waits, in the clock's time.
        bounds: what all calls share.
    """

    def __init__(self, models: Sequence[str], deadline: float, bounds: Bounds) -> None:
        self.receipt: list[AttemptReport] = []
        self.seen: list[Attempt] = []
        """The same for those who watch."""
        self.has_answered = False
        """Whether a byte of the answer is out; from then on nothing is tried again."""
        self.bounds = bounds
        self.began = bounds.clock()
        self._models = models
        self._deadline = deadline
        self._failures: list[Failure] = []
        self._calls = 0
        self._repair: Step | None = None
        self._is_repaired = False

    @property
    def can_repair(self) -> bool:
        """Whether one more attempt may be made for an answer that came back empty."""
        is_early = self._calls < MAX_CALLS and self._remaining > 0
        return is_early and not self.has_answered and not self._is_repaired

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OneAttempt:
        while True:
            step = self._next_step()
            if step is None and self._is_repaired and not self.has_answered:
                raise StopAsyncIteration
            if step is None:
                raise self._final_error() from None
            retry = ExitStack()
            if step.spends_the_budget:
                retry.enter_context(self.bounds.budget.retry())
            with retry:
                if step.wait > 0:
                    await self.bounds.sleep(step.wait)
                refusal = self.bounds.breakers.refusal(step.model)
                if refusal is None:
                    await self._look_for_the_gateway()
                    self._calls += 1
                    return OneAttempt(self, step, retry.pop_all())
            self._failures.append(Failure(step.model, refusal, was_skipped=True))
            seen = self.see(step.model)
            seen.ended, seen.outcome, seen.status = seen.began, "skipped", refusal.status
            self.write(step, "skipped", refusal.status, refusal.reason, refusal.remedy, seconds=0)

    def note(self, model: str, error: GatewayError) -> GatewayError:
        """Takes note of a failed attempt; gives back what it means for the call."""
        if self.has_answered:
            if not isinstance(error, GatewayTimeout):
                error = StreamInterrupted(error.reason)
        else:
            self.bounds.breakers.failed(model, error)
        self.count(error.upstream_calls)
        self._failures.append(Failure(model, error))
        return error

    def count(self, upstream_calls: int) -> None:
        """Takes note of how many calls to providers an attempt was."""
        self._calls += upstream_calls - 1

    def answer_begins(self, model: str) -> None:
        """A byte of the answer is there."""
        if not self.has_answered:
            self.has_answered = True
            self.bounds.breakers.answered(model)

    def repair(self, model: str) -> None:
        """The next attempt asks this model once more, and is the last."""
        self._repair, self._is_repaired = Step(model), True

    def see(self, model: str) -> Attempt:
        """An attempt that begins, as those see it who watch."""
        self.seen.append(Attempt(model, self.bounds.clock() - self.began))
        return self.seen[-1]

    def write(
        self,
        step: Step,
        outcome: str,
        status: int,
        reason: str = "",
        remedy: str = "",
        *,
        seconds: float,
    ) -> None:
        """A line of the receipt; the reason and the remedy are for the operator."""
        self.receipt.append(
            AttemptReport(
                model=step.model,
                outcome=outcome,
                status=status,
                wait_ms=round(step.wait * 1000),
                duration_ms=round(seconds * 1000),
            ).because(reason, remedy)
        )

    async def _look_for_the_gateway(self) -> None:
        breakers = self.bounds.breakers
        if breakers.gateway_is_open and await self.bounds.gateway_is_ready():
            breakers.gateway_is_back()

    @property
    def _remaining(self) -> float:
        return self._deadline - self.bounds.clock()

    def _next_step(self) -> Step | None:
        if self._repair is not None:
            step, self._repair = self._repair, None
            return step
        if self.has_answered or self._is_repaired:
            return None
        if not self._failures:
            return Step(self._models[0])
        return next_step(
            self._models,
            self._failures,
            remaining=self._remaining,
            backoff=backoff(len(self._failures)),
            may_retry=self.bounds.budget.has_room,
        )

    def _final_error(self) -> GatewayError:
        error = self._failures[-1].error
        if not self.has_answered and not error.ends_the_call:
            of_requested = [f.error for f in self._failures if f.model == self._models[0]]
            error = of_requested[-1]
        error.extra["attempts"] = [attempt.model_dump() for attempt in self.receipt]
        return error
