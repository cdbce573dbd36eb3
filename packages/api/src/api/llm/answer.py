"""One call under way: what each attempt asks for, and whether its answer is the one to give."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from api.gateway.chat_client import ChatRequest, Ending
from api.llm.attempts import Attempts, Bounds, attempts_of
from api.llm.call import Call
from api.llm.call_log import CallLine, call_log
from api.llm.observers import CallObserver, CallRecord, watched
from api.llm.one_attempt import OneAttempt
from api.llm.thinking import together, with_more_room, would_help
from api.settings import Settings


class Answering:
    """
    Args:
        question: what was asked.
        attempts: those of this call; the loop over them ends without an error only when an empty
            answer could not be repaired, and is given as it is.
        line: of the log.
        settings: the floor of thinking models, and whether empty answers are repaired.
        seen: what those see who watch.
    """

    def __init__(
        self,
        question: Call,
        attempts: Attempts,
        line: CallLine,
        settings: Settings,
        seen: CallRecord,
    ) -> None:
        self.attempts = attempts
        self._seen = seen
        self._question = question
        self._line = line
        self._settings = settings
        self._empty: tuple[ChatRequest, Ending] | None = None
        self.ending: Ending | None = None
        """How the answer that is given ended."""

    def call(self, attempt: OneAttempt) -> ChatRequest:
        """What this attempt asks."""
        if self._empty is not None:
            call = with_more_room(self._empty[0])
        else:
            floor = self._settings.llm_min_tokens_thinking if self._thinks(attempt.model) else 0
            call = self._question.call(
                attempt.model, at_least=floor, gateway_falls_back=attempt.gateway_falls_back
            )
        attempt.seen.call = call
        return call

    def answered(
        self, attempt: OneAttempt, call: ChatRequest, ending: Ending, *, has_text: bool
    ) -> dict[str, Any] | None:
        """The fields of `Done` for this answer; None when one more attempt is to give a better."""
        self.attempts.count(ending.upstream_calls)
        attempt.seen.ending = ending
        if self._empty is not None:
            ending = together(self._empty[1], ending)
        elif not has_text and self._is_worth_a_repair(call, ending):
            self._empty = call, ending
            attempt.repair()
            return None
        done = self._done(call, ending, has_text=has_text)
        attempt.succeeded(is_empty=done["status"] == "empty")
        return done

    def as_it_is(self) -> dict[str, Any]:
        """The fields of `Done` for the empty answer that could not be repaired."""
        assert self._empty is not None, "the attempts end with an error otherwise"  # noqa: S101
        return self._done(*self._empty, has_text=False)

    def _is_worth_a_repair(self, call: ChatRequest, ending: Ending) -> bool:
        wanted = self._settings.llm_repair_empty_answers and self.attempts.can_repair
        return wanted and would_help(call, ending, thinks=self._thinks(call.alias))

    def _thinks(self, alias: str) -> bool:
        return alias in self._settings.thinking_aliases

    def _done(self, call: ChatRequest, ending: Ending, *, has_text: bool) -> dict[str, Any]:
        self.ending = ending
        done = self._question.done(call, ending, self.attempts.receipt, has_text=has_text)
        self._line.answered(done, ending.answered_by)
        self._seen.answered(done["status"], ending)
        return done


@contextmanager
def answering(
    question: Call,
    bounds: Bounds,
    settings: Settings,
    watchers: Sequence[CallObserver],
    *,
    streams: bool,
) -> Generator[Answering]:
    """Counts the call for the block; when it ends, writes its line of the log, and tells those who
    watch.
    """
    seen = CallRecord(question, streams)
    with (
        watched(seen, watchers),
        attempts_of(question.models, question.deadline, bounds) as attempts,
        call_log(question.logged(), attempts.receipt) as line,
    ):
        seen.attempts = attempts.seen
        yield Answering(question, attempts, line, settings, seen)
