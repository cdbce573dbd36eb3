"""A stream is opened before the response is: until then a failure keeps its true status.

request ─► opened: the gateway's first event ─► 200, meta, delta…, done
             │ it fails          └► its own status, as problem+json
             │ patience ends     └► 200, meta, pings; a failure is then an `error` event
             └ the client leaves └► the gateway call is closed, nobody is answered
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from api.call_key import CallKey
from api.llm.client import StreamEvent
from api.sse_events import Block
from chassis.http.request_state import trace_of
from chassis.trace_context import Trace

LAST_EVENT_ID: dict[str, Any] = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "The last event that was received; the same stream goes on after it",
    "required": False,
    "schema": {"type": "string"},
}
Blocks = AsyncGenerator[Block]


class UnresumableStream(Exception):
    """An `EventSource` reconnects; 204 tells it to stop, as the HTML standard says."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A stream as it was asked for.

    Attributes:
        key: of the call.
        has_name: whether the client gave the call a name of its own.
        events: the answer as it comes; nothing is asked before it is iterated.
        patience: seconds after which it starts without a word from the gateway.
        seen: the last event that the client has seen, where it comes back.
        linger: seconds for which it may come back after it has left.
    """

    request: Request
    key: CallKey
    has_name: bool
    events: AsyncGenerator[StreamEvent]
    patience: float
    seen: int | None
    linger: float

    @property
    def trace(self) -> Trace:
        """The trace of the request."""
        return trace_of(self.request)


class Streams(Protocol):
    """The streams of this process."""

    @property
    def running(self) -> int:
        """How many streams run."""
        ...

    def opened(self, asked: StreamRequest) -> AbstractAsyncContextManager[Blocks]:
        """The stream's events, once the gateway has begun to answer or patience has ended.

        Raises:
            GatewayError: the stream could not be opened.
            ClientDisconnected: the client went away before it was.
            Draining, Overloaded: it was not let in, or the process shut down before it was opened.
            UnresumableStream: the client comes back to a stream that is not here any more.
            IdempotencyKeyReused: the stream of this name has another body.
        """
        ...

    async def aclose(self) -> None:
        """Stops all that run, and waits until they are over."""
        ...


def last_seen(request: Request) -> int | None:
    """The event that `Last-Event-ID` names; -1, which no stream has, for what is none of ours."""
    value = request.headers.get("Last-Event-ID")
    if value is None:
        return None
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else -1
