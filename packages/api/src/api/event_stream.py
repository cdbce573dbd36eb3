"""The response of an opened stream: pings, no buffering on the way, and an end in any case."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

# 1. This import also replaces uvicorn's exit handler; server.py puts its own in its place.
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Message, Receive, Scope, Send

from api.admission import Admission
from api.errors import Draining
from api.events import EventEncoder, encode_events
from api.llm import StreamEvent
from api.tracing import Trace
from api.waiting import cancel

PING_SECONDS = 15
SEND_SECONDS = 30


class EventStream(EventSourceResponse):
    """Server-Sent Events to one client, whole events only.

    Args:
        events: the stream's.
        trace: the request's.
        admission: when its grace is over, the stream ends with a `draining` error.
    """

    def __init__(
        self, events: AsyncIterator[StreamEvent], trace: Trace, admission: Admission
    ) -> None:
        self._encoder = EventEncoder()
        self._trace = trace
        self._admission = admission
        super().__init__(
            self._while_read(encode_events(events, self._encoder, trace)),
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def observed(message: Message) -> None:
            nonlocal is_open
            is_open = bool(message.get("more_body", True))
            await send(message)

        work = asyncio.ensure_future(super().__call__(scope, receive, observed))
        try:
            await asyncio.wait(
                {work, self._admission.grace_is_over}, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                work.result()
                return
        finally:
            await cancel(work)
        if is_open:
            last = b"" if self._encoder.ended else self._encoder.error(Draining(), self._trace)
            await send({"type": "http.response.body", "body": last, "more_body": False})
