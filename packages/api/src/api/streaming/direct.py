"""Streams with one reader and no memory: a reader that leaves ends the gateway call."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from api.llm.client import Deltas
from api.sse_events import Block, EventEncoder
from api.streaming.open import Blocks, StreamRequest, UnresumableStream
from chassis.admission import Admission
from chassis.errors import Draining, InternalError, ServiceError
from chassis.http.disconnect import cancel, wait_until_disconnect
from chassis.logs import log


class DirectStreams:
    """See `Streams`.

    Args:
        admission: each stream that runs takes a place.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.running = 0

    @asynccontextmanager
    async def opened(self, asked: StreamRequest) -> AsyncGenerator[Blocks]:
        """See `Streams.opened`."""
        if asked.seen is not None:
            raise UnresumableStream
        with self._admission.admitted():
            self.running += 1
            stream = DirectStream(asked, self._admission)
            try:
                await wait_until_disconnect(
                    asked.request, self._admission, stream.reading, patience=asked.patience
                )
                if stream.reading.done():
                    stream.reading.result()
                yield stream.blocks()
            finally:
                await stream.aclose()
                self.running -= 1

    async def aclose(self) -> None:
        """See `Streams.aclose`: each ends with its own request."""


class DirectStream:
    """One stream: its events up to the gateway's first word, and those after.

    Attributes:
        reading: what is being read now; at first all up to the gateway's first word.
    """

    def __init__(self, asked: StreamRequest, admission: Admission) -> None:
        self._asked = asked
        self._admission = admission
        self._encoder = EventEncoder()
        self._sent = 0
        self._bytes: list[bytes] = []
        self._has_ended = False
        self.reading: asyncio.Future[None] = asyncio.ensure_future(self._open())

    async def blocks(self) -> Blocks:
        """All events; a failure is the last of them."""
        try:
            if (block := self._block()) is not None:
                yield block
            while not self._has_ended:
                await self._unless_drained()
                if (block := self._block()) is not None:
                    yield block
                self.reading = asyncio.ensure_future(self._next())
        except ServiceError as error:
            yield self._failed(error)
        except Exception:  # noqa: BLE001 -- the one terminal event is owed for a bug of ours too
            log.exception("stream_failed", request_id=self._asked.trace.request_id)
            yield self._failed(InternalError())

    async def aclose(self) -> None:
        """Ends the gateway call, unless it is over."""
        # 1. A generator that somebody waits for cannot be closed.
        await cancel(self.reading)
        await self._asked.events.aclose()

    async def _open(self) -> None:
        async for event in self._asked.events:
            self._bytes.append(self._encoder.encode(event))
            if isinstance(event, Deltas):
                return

    async def _next(self) -> None:
        event = await anext(self._asked.events, None)
        if event is None:
            self._has_ended = True
        else:
            self._bytes.append(self._encoder.encode(event))

    async def _unless_drained(self) -> None:
        ends: set[asyncio.Future[Any]] = {self.reading, self._admission.grace_is_over}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not self.reading.done():
            raise Draining("the grace of the shutdown is over")
        self.reading.result()

    def _block(self) -> Block | None:
        data, self._bytes = b"".join(self._bytes), []
        first, self._sent = self._sent + 1, self._encoder.last_id
        return Block(first, self._sent, data) if data else None

    def _failed(self, error: ServiceError) -> Block:
        data = self._encoder.error(error, self._asked.trace)
        return Block(self._encoder.last_id, self._encoder.last_id, data)
