"""One call as it was made: its record, and those that are told of it when it is over.

The log, metrics and traces are observers. They are told after the answer is on its way, wait for
nothing, and whatever goes wrong with them is theirs: no call fails by being observed.
"""

import asyncio
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from api.gateway.chat_client import ChatRequest, Ending
from api.llm.attempt import Attempt
from api.llm.call import Call
from api.schemas import Status, Usage
from chassis.errors import CLIENT_CLOSED_REQUEST, InternalError, ServiceError
from chassis.logs import log

CALL_BYTES = 4096
"""What a call takes beside its words."""


@dataclass(slots=True)
class CallRecord:
    """One call of the service helper.

    Attributes:
        began: in seconds since the epoch.
        seconds: from its beginning to the end of its answer.
        outcome: the answer's status, or the code of its error.
        request: the one that was answered, as `ending` is its answer's.
        size: about the bytes that it takes as long as an observer keeps it; known when it is over.
    """

    call: Call
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    outcome: str = "cancelled"
    status: int = CLIENT_CLOSED_REQUEST
    reason: str = ""
    remedy: str = ""
    request: ChatRequest | None = None
    ending: Ending | None = None
    attempts: list[Attempt] = field(default_factory=list)
    size: int = 0

    @property
    def first_text(self) -> float | None:
        """When the caller's first text came, in seconds since the call began."""
        return next((one.first_text for one in self.attempts if one.first_text is not None), None)

    def answered(self, request: ChatRequest, ending: Ending, *, has_text: bool) -> None:
        """The call is answered, and its answer ended like this."""
        self.outcome, self.status = status_of(ending.finish_reason, has_text=has_text), 200
        self.request, self.ending = request, ending

    def done(self) -> dict[str, Any]:
        """The fields of `Done`, of a call that is answered."""
        request, ending = self.request, self.ending
        assert request is not None, "it is answered"  # noqa: S101
        assert ending is not None, "it is answered"  # noqa: S101
        return self.call.facts() | {
            "model": request.alias,
            "status": self.outcome,
            "finish_reason": ending.finish_reason,
            "max_tokens": request.max_tokens,
            "usage": ending.usage and Usage.model_validate(ending.usage, from_attributes=True),
            "cost_usd": ending.cost_usd,
            "attempts": [attempt.report() for attempt in self.attempts],
        }


class CallObserver(Protocol):
    """Is told of each call."""

    wants_text: bool
    """Whether the text of answers is to be kept until the call ends."""

    def ended(self, record: CallRecord, /) -> None:
        """A call is over, however it ended."""
        ...


class CallLog:
    """The log line of each call. Never a prompt, an answer or a key."""

    wants_text = False

    def ended(self, record: CallRecord) -> None:
        """See `CallObserver.ended`."""
        fields: dict[str, Any] = {"outcome": record.outcome}
        ending, usage = record.ending, record.ending and record.ending.usage
        failed = [one for one in record.attempts if one.outcome not in ("ok", "cancelled")]
        if record.request is not None and ending is not None:
            fields |= {
                "model": record.request.alias,
                "answered_by": ending.answered_by,
                "cost_usd": ending.cost_usd,
                "input_tokens": usage and usage.input_tokens,
                "output_tokens": usage and usage.output_tokens,
            }
        elif record.remedy:
            fields |= {"status": record.status, "reason": record.reason, "remedy": record.remedy}
        elif record.reason:
            fields["reason"] = record.reason
        if failed and failed[0].remedy:
            fields.setdefault("remedy", failed[0].remedy)
        user_id = record.call.attribution.user_id
        write = log.warning if failed or "reason" in fields else log.info
        write(
            "llm_call",
            **record.call.facts(),
            **({} if user_id is None else {"user_id": user_id}),
            **fields,
            attempts=[attempt.line for attempt in record.attempts],
            duration_ms=round(record.seconds * 1000),
        )


@contextmanager
def recorded(record: CallRecord, observers: Sequence[CallObserver]) -> Generator[None]:
    """Fills in how the call that the block is ended, and tells the observers."""
    clock = time.perf_counter()
    try:
        yield
    except ServiceError as error:
        record.outcome, record.status = error.code, error.status
        record.reason, record.remedy = error.reason, error.remedy
        error.is_logged = True
        raise
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:
        record.outcome, record.status = InternalError.code, InternalError.status
        record.reason = type(error).__name__
        raise
    finally:
        record.seconds = time.perf_counter() - clock
        record.size = size_of(record)
        tell(record, observers)


def tell(record: CallRecord, observers: Sequence[CallObserver]) -> None:
    for observer in observers:
        try:
            observer.ended(record)
        except Exception:  # noqa: BLE001 -- see above: whatever goes wrong with them is theirs
            log.exception("observer_failed", observer=type(observer).__name__)


def size_of(record: CallRecord) -> int:
    asked = sum(len(message["content"]) for message in record.call.messages)
    answered = sum(len(text) for attempt in record.attempts for text in attempt.text)
    return CALL_BYTES + asked + answered


def status_of(finish_reason: str, *, has_text: bool) -> Status:
    """How honest an answer can be about itself; an empty one is never a silent success.

    Complete is what the model ended by itself: with `length` it was cut off, with `tool_calls` it
    wants to go on with a tool, and of what we do not know we cannot say that it is whole.
    """
    if finish_reason == "content_filter":
        return "filtered"
    if not has_text:
        return "empty"
    return "complete" if finish_reason == "stop" else "truncated"
