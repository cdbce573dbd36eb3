"""One client's connection: a request comes in time and its head is small, or the socket closes.

uvicorn's own waits for ever for a request that does not end, takes a head of any size, and adds a
trailer to the headers that were read already.
"""

import asyncio
from typing import Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.errors import RequestTooLarge
from chassis.http.security_headers import DEFAULTS
from chassis.logs import log
from chassis.problems import problem_response
from chassis.trace_context import Trace

Part = Literal["head", "body"]
NO_UPGRADE = "This service speaks HTTP/1.1 alone: send a body without asking for another protocol."


class Connection(HttpToolsProtocol):
    """uvicorn's, with an end to patience.

    `limit_concurrency` of uvicorn's config is the number of connections here: a new one above it
    takes the place of the one that has been idle or unfinished for longest. When all of them are
    being answered, it is closed itself.
    """

    head_seconds = 10.0
    """For a connection's first request to begin, and for any head to come whole."""
    body_seconds = 60.0
    """For a body to come whole, at whatever pace."""
    max_head_bytes = 64 * 1024
    unread_seconds = 1.0
    """For a client that still sends a head which was refused, to read that it was."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._part: Part | None = None
        self._awaited: Part | None = None
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_refused = False
        self._most, self.limit_concurrency = self.limit_concurrency, None
        super().connection_made(transport)
        self._await_the_client()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        had_begun = self._part == "head"
        super().data_received(data)
        if had_begun and self._part == "head":
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes and not self.transport.is_closing():
                self._refuse_the_head()
        if not self._is_refused:
            self._await_the_client()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing() and not self._is_refused:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        self._part = "head"
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_head_bytes:
            self._refuse_the_head()
            raise ValueError("the head is too large")
        upgrades = self.parser.should_upgrade()
        if upgrades and has_body(self.headers):
            # 1. The parser stops at such a head, and would take the body for the next request.
            self.send_400_response(NO_UPGRADE)
            raise ValueError(NO_UPGRADE)
        self._part = "body"
        super().on_headers_complete()
        if upgrades:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._part = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_the_client()

    def _refuse_the_head(self) -> None:
        if self._is_refused:
            return
        trace = Trace()
        refusal = problem_response(RequestTooLarge(), trace)
        refusal.headers.update({"X-Request-ID": trace.request_id, "Connection": "close"})
        lines = [b"%b: %b\r\n" % header for header in (*refusal.raw_headers, *DEFAULTS)]
        self.transport.write(
            b"".join((STATUS_LINE[refusal.status_code], *lines, b"\r\n", bytes(refusal.body)))
        )
        # 2. Closed at once, with its words unread, the client would see a reset and not our answer.
        self._is_refused = True
        self._stop_timer()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(self.unread_seconds, self.transport.close)

    def _make_room(self) -> None:
        if self._most is None or len(self.connections) <= self._most:
            return
        unanswered = [c for c in self.connections if isinstance(c, Connection) and c._waits()]
        longest = min(unanswered, key=lambda c: c._since, default=self)
        self.connections.discard(longest)
        longest.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _waits(self) -> bool:
        """Whether there is no whole request that somebody works on."""
        return self._part == "body" or not self._is_answering()

    def _await_the_client(self) -> None:
        """Restarts the clock when what the client has to send next is another part than before."""
        awaited: Part | None = self._part
        is_answering = self._is_answering()
        if self.pipeline or (is_answering and awaited == "head"):
            awaited = None
        elif not is_answering and awaited is None and self.timeout_keep_alive_task is None:
            awaited = "head"
        if awaited == self._awaited:
            return
        self._stop_timer()
        self._awaited = awaited
        self._since = self.loop.time()
        if awaited is not None:
            seconds = self.head_seconds if awaited == "head" else self.body_seconds
            self._timer = self.loop.call_later(seconds, self._lose_patience)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lose_patience(self) -> None:
        log.info("request_came_too_slowly", part=self._awaited)
        self.transport.abort()


def has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request with these headers has one, as far as they say."""
    lengths = dict(headers)
    return b"transfer-encoding" in lengths or lengths.get(b"content-length", b"0") != b"0"
