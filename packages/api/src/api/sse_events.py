"""Server-Sent Events out: typed events to bytes, once, and the response that carries them.

Exactly one terminal event; pings; no buffering on the way, and no reader that is too slow.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

# 1. This import also replaces uvicorn's exit handler; chassis/server has its own in its place.
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.llm.client import Deltas, StreamEvent
from api.schemas import Done, Meta
from chassis.errors import ServiceError
from chassis.problems import problem
from chassis.server.server import UNREAD_SECONDS
from chassis.trace_context import Trace

PING_SECONDS = 15
END_OF_EVENT = b"\n\n"
encode_json = msgspec.json.Encoder().encode


class EventEncoder:
    """Counts the events of one stream and writes them down."""

    def __init__(self) -> None:
        self.last_id = 0
        self.ended = False
        """Whether the one terminal event was made."""

    def event(self, name: bytes, data: bytes) -> bytes:
        self.last_id += 1
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (self.last_id, name, data)

    def encode(self, event: StreamEvent) -> bytes:
        """The bytes of one event, or of all the deltas of one network read together."""
        match event:
            case Deltas(texts):
                return b"".join(
                    self.event(b"delta", b'{"text":%b}' % encode_json(text)) for text in texts
                )
            case Meta():
                return self.event(b"meta", event.model_dump_json().encode())
            case Done():
                self.ended = True
                return self.event(b"done", event.model_dump_json().encode())

    def error(self, error: ServiceError, trace: Trace) -> bytes:
        """The `error` event: the same problem object that a JSON answer would be."""
        self.ended = True
        return self.event(b"error", encode_json(problem(error, trace)))


@dataclass(frozen=True, slots=True)
class Block:
    """Events that came together: the ids of the first and the last, and their bytes."""

    first: int
    last: int
    data: bytes

    def after(self, event_id: int) -> bytes:
        """The bytes of the events after this one."""
        skipped = event_id - self.first + 1
        if skipped <= 0:
            return self.data
        return self.data.split(END_OF_EVENT, skipped)[-1]


class SseResponse(EventSourceResponse):
    """Server-Sent Events to one client, whole events only.

    Args:
        blocks: the events, any number of them together.
    """

    def __init__(self, blocks: AsyncGenerator[Block]) -> None:
        super().__init__(
            self._while_read(blocks),
            ping=PING_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=UNREAD_SECONDS,
            sep="\n",
        )

    async def _while_read(self, blocks: AsyncGenerator[Block]) -> AsyncGenerator[bytes]:
        # 2. Under load there is always a next chunk, and a task that never has to wait is not
        #    cancelled when its client leaves.
        async with aclosing(blocks):
            async for block in blocks:
                if not self.active:
                    return
                yield block.data
