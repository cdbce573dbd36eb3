"""The response of a stream: pings, no buffering on the way, and no reader that is too slow."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

# 1. This import also replaces uvicorn's exit handler; server.py puts its own in its place.
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.resumable.event_buffer import Block

PING_SECONDS = 15
SEND_SECONDS = 30


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
            send_timeout=SEND_SECONDS,
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
