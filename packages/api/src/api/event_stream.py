"""The response of a stream: pings, no buffering on the way, and no reader that is too slow."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

# 1. This import also replaces uvicorn's exit handler; server.py puts its own in its place.
from sse_starlette import EventSourceResponse, ServerSentEvent

PING_SECONDS = 15
SEND_SECONDS = 30


class EventStream(EventSourceResponse):
    """Server-Sent Events to one client, whole events only.

    Args:
        encoded: the events, any number of them together.
    """

    def __init__(self, encoded: AsyncGenerator[bytes]) -> None:
        super().__init__(
            self._while_read(encoded),
            ping=PING_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=SEND_SECONDS,
            sep="\n",
        )

    async def _while_read(self, encoded: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        # 2. Under load there is always a next chunk, and a task that never has to wait is not
        #    cancelled when its client leaves.
        async with aclosing(encoded):
            async for data in encoded:
                if not self.active:
                    return
                yield data
