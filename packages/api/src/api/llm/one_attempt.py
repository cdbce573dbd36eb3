"""One attempt under way: its outcome goes into the receipt, and to those who watch."""

import asyncio
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from api.errors import GatewayError
from api.llm.retry_policy import Step
from chassis.errors import CLIENT_CLOSED_REQUEST

if TYPE_CHECKING:
    from api.llm.attempts import Attempts


class OneAttempt:
    """One attempt in progress; the outcome of its block goes into the receipt."""

    def __init__(self, attempts: "Attempts", step: Step, ending: ExitStack) -> None:
        self.model = step.model
        self.gateway_falls_back = step.gateway_falls_back
        self._attempts = attempts
        self._step = step
        self._ending = ending
        self._began = attempts.bounds.clock()
        self._is_written = False
        self.seen = attempts.see(step.model)

    def __enter__(self) -> Self:
        return self

    def begins_to_answer(self) -> None:
        """The first piece of the answer is there, and on its way to the caller."""
        if self.seen.first_text is None:
            self.seen.first_text = self._seconds_since(self._attempts.began)
        self._attempts.answer_begins(self.model)

    def succeeded(self, *, is_empty: bool = False) -> None:
        """Writes the receipt of an answered attempt, for the answer that carries it."""
        self._attempts.bounds.breakers.answered(self.model)
        self._write("empty" if is_empty else "ok", 200)

    def repair(self) -> None:
        """Writes the receipt of an empty answer; the next attempt asks for it once more."""
        self.succeeded(is_empty=True)
        self._attempts.repair(self.model)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._ending.close()
        if not isinstance(error, GatewayError):
            if isinstance(error, (asyncio.CancelledError, GeneratorExit)) and not self._is_written:
                self._write("cancelled", CLIENT_CLOSED_REQUEST)
            return None
        meaning = self._attempts.note(self.model, error)
        self._write(meaning.code, meaning.status, meaning.reason, meaning.remedy)
        return True

    def _write(self, outcome: str, status: int, *for_the_operator: str) -> None:
        self._is_written = True
        self.seen.outcome, self.seen.status = outcome, status
        self.seen.reason = next(iter(for_the_operator), "")
        self.seen.ended = self._seconds_since(self._attempts.began)
        seconds = self._seconds_since(self._began)
        self._attempts.write(self._step, outcome, status, *for_the_operator, seconds=seconds)

    def _seconds_since(self, moment: float) -> float:
        return self._attempts.bounds.clock() - moment
