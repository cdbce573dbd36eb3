"""The attempts of one call: tenacity drives the loop, `retry_policy` decides."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

from tenacity import AsyncRetrying, RetryCallState

from api.errors import GatewayError, GatewayTimeout, StreamInterrupted
from api.llm.attempt import SKIPPED, Attempt
from api.llm.overload import Overload
from api.llm.retry_policy import BACKOFF, MAX_CALLS, next_attempt


class Attempts:
    """Iterate, and make each attempt in its own `with attempts.making(attempt)`.

    Raises from the iteration, when nothing more is to be tried, the requested model's error, or
    that of the gateway itself, with the report of all attempts. Ends without one only after an
    empty answer whose repair failed: that answer is the caller's.

    Args:
        models: the requested model, then its fallbacks, as the gateway names them.
        deadline: for the whole call with its waits, in the clock's time.
        overload: what all calls share.
        made: gets each attempt as it begins.
        max_calls: to providers, at most.
    """

    def __init__(
        self,
        models: Sequence[str],
        deadline: float,
        overload: Overload,
        made: list[Attempt],
        max_calls: int = MAX_CALLS,
    ) -> None:
        self.has_answered = False
        """Whether a byte of the answer is out; from then on nothing is tried again."""
        self._models = models
        self._deadline = deadline
        self._overload = overload
        self._made = made
        self._max_calls = max_calls
        self._began = overload.clock()
        self._next: Attempt | None = Attempt(models[0], gateway_falls_back=max_calls > 1)
        self._is_repaired = False
        self._retry_budget = ExitStack()
        self._retrying = AsyncRetrying(
            sleep=self._sleep,
            retry=self._decide,
            wait=lambda _: self._next.wait if self._next else 0,
            stop=lambda _: self._next is None,
            retry_error_callback=self._give_up,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._retry_budget.close()
        for attempt in self._made:
            attempt.error = None

    def __aiter__(self) -> Self:
        aiter(self._retrying)
        return self

    async def __anext__(self) -> Attempt:
        while True:
            self._state = (await anext(self._retrying)).retry_state
            assert self._next is not None, "tenacity was told to stop otherwise"  # noqa: S101
            attempt, breakers = self._next, self._overload.breakers
            attempt.began = self._now()
            self._made.append(attempt)
            refusal = breakers.refusal(attempt.model)
            if refusal is None:
                if breakers.gateway_is_open and await self._overload.gateway_is_ready():
                    breakers.gateway_is_back()
                attempt.began = self._now()
                return attempt
            self._end(attempt, SKIPPED, refusal.status, refusal)

    @contextmanager
    def making(self, attempt: Attempt) -> Generator[None]:
        """The attempt is made in the block; a GatewayError from there is its outcome."""
        try:
            yield
        except GatewayError as error:
            meaning = self._meaning(attempt.model, error)
            self._end(attempt, meaning.code, meaning.status, meaning)
        except (asyncio.CancelledError, GeneratorExit):
            if not attempt.ended:
                attempt.ended = self._now()
            raise
        finally:
            self._retry_budget.close()

    def answer_begins(self, attempt: Attempt) -> None:
        """A byte of the answer is there, and on its way to the caller."""
        if attempt.first_text is None:
            attempt.first_text = self._now()
        if not self.has_answered:
            self.has_answered = True
            self._overload.breakers.answered(attempt.model)

    def answered(self, attempt: Attempt, outcome: str) -> None:
        """The attempt has an answer, which is given to the caller."""
        self._overload.breakers.answered(attempt.model)
        self._end(attempt, outcome, 200)

    def repair(self, attempt: Attempt) -> None:
        """The answer is empty: the next attempt asks this model once more, and is the last."""
        self.answered(attempt, "empty")
        self._is_repaired = True
        self._state.set_result(None)

    @property
    def can_repair(self) -> bool:
        """Whether one more attempt may be made for an answer that came back empty."""
        calls = sum(attempt.upstream_calls for attempt in self._made)
        is_early = calls < self._max_calls and self._remaining() > 0
        return is_early and not self.has_answered and not self._is_repaired

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await self._overload.sleep(seconds)

    def _now(self) -> float:
        return self._overload.clock() - self._began

    def _remaining(self) -> float:
        return self._deadline - self._overload.clock()

    def _end(
        self, attempt: Attempt, outcome: str, status: int, error: GatewayError | None = None
    ) -> None:
        attempt.ended = attempt.began if outcome == SKIPPED else self._now()
        attempt.outcome, attempt.status, attempt.error = outcome, status, error
        if error is not None:
            attempt.reason, attempt.remedy = error.reason, error.remedy
            self._state.set_exception((type(error), error, None))

    def _meaning(self, model: str, error: GatewayError) -> GatewayError:
        """What the error of an attempt is for the call."""
        if not self.has_answered:
            self._overload.breakers.failed(model, error)
            return error
        if isinstance(error, GatewayTimeout):
            return error
        meaning = StreamInterrupted(error.reason)
        meaning.upstream_calls = error.upstream_calls
        return meaning

    def _decide(self, state: RetryCallState) -> bool:
        """tenacity's `retry`: there is something to decide after each attempt; `stop` ends it."""
        last = self._made[-1]
        self._next = None
        if last.outcome == "empty":
            self._next = Attempt(last.model)
        elif not (self.has_answered or self._is_repaired):
            self._next = next_attempt(
                self._models,
                self._made,
                remaining=self._remaining(),
                backoff=BACKOFF(state),
                may_retry=self._overload.budget.has_room,
                max_calls=self._max_calls,
            )
        if self._next is not None and self._next.spends_budget:
            self._retry_budget.enter_context(self._overload.budget.retry())
        return True

    def _give_up(self, _: RetryCallState) -> None:
        """tenacity's `retry_error_callback`."""
        if self._is_repaired and not self.has_answered:
            return
        error = self._made[-1].error
        if not self.has_answered and not (error and error.ends_the_call):
            error = [each.error for each in self._made if each.model == self._models[0]][-1]
        assert error is not None, "it is given up after a failure alone"  # noqa: S101
        error.extra["attempts"] = [attempt.report().model_dump() for attempt in self._made]
        raise error from None
