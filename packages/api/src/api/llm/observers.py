"""One call as those see it who only watch: what was asked, each attempt, and how it ended.

Metrics and traces are watchers. They are told after the answer is on its way, wait for nothing, and
whatever goes wrong with them is theirs: no call fails by being watched.
"""

import asyncio
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from api.gateway.chat_client import ChatRequest, Ending
from api.llm.call import Call
from chassis.errors import CLIENT_CLOSED_REQUEST, InternalError, ServiceError
from chassis.logs import log

CALL_BYTES = 4096
"""What a call takes beside its words."""


@dataclass(slots=True)
class Attempt:
    """One attempt at the gateway; times are in seconds since the call began.

    Attributes:
        call: what was asked; None for a model that was skipped, because it failed so often.
        outcome: as in the receipt.
        first_text: when its first text came; None without any.
        pieces: of text that came, about as many as tokens.
        text: what came, where a watcher wants it.
    """

    model: str
    began: float
    call: ChatRequest | None = None
    ended: float = 0.0
    outcome: str = "cancelled"
    status: int = CLIENT_CLOSED_REQUEST
    reason: str = ""
    first_text: float | None = None
    pieces: int = 0
    ending: Ending | None = None
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CallRecord:
    """One call of the service helper.

    Attributes:
        began: in seconds since the epoch.
        seconds: from its beginning to the end of its answer.
        outcome: the answer's status, or the code of its error.
    """

    question: Call
    streams: bool
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    outcome: str = "cancelled"
    status: int = CLIENT_CLOSED_REQUEST
    reason: str = ""
    ending: Ending | None = None
    attempts: list[Attempt] = field(default_factory=list)
    size: int = 0
    """About the bytes that it takes as long as a watcher keeps it; known when it is over."""

    @property
    def first_text(self) -> float | None:
        """When the caller's first text came, in seconds since the call began."""
        return next((one.first_text for one in self.attempts if one.first_text is not None), None)

    def answered(self, status: str, ending: Ending) -> None:
        """The call is answered: with this status, ended like this."""
        self.outcome, self.status, self.ending = status, 200, ending


class CallObserver(Protocol):
    """Is told of each call."""

    wants_text: bool
    """Whether the text of answers is to be kept until the call ends."""

    def ended(self, call: CallRecord) -> None:
        """A call is over, however it ended."""
        ...


@contextmanager
def watched(call: CallRecord, watchers: Sequence[CallObserver]) -> Generator[None]:
    """Tells the watchers of the call that the block is."""
    clock = time.perf_counter()
    try:
        yield
    except ServiceError as error:
        call.outcome, call.status, call.reason = error.code, error.status, error.reason
        raise
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:
        call.outcome, call.status = InternalError.code, InternalError.status
        call.reason = type(error).__name__
        raise
    finally:
        call.seconds = time.perf_counter() - clock
        if watchers:
            call.size = size_of(call)
            tell(call, watchers)


def tell(call: CallRecord, watchers: Sequence[CallObserver]) -> None:
    for watcher in watchers:
        try:
            watcher.ended(call)
        except Exception:  # noqa: BLE001 -- see above: whatever goes wrong with them is theirs
            log.exception("watcher_failed", watcher=type(watcher).__name__)


def size_of(call: CallRecord) -> int:
    asked = sum(len(message["content"]) for message in call.question.messages)
    answered = sum(len(text) for attempt in call.attempts for text in attempt.text)
    return CALL_BYTES + asked + answered
