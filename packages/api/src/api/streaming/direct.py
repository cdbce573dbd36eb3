"""Streams with one reader and no memory: a reader that leaves ends the gateway call."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from api.llm.client import Deltas, StreamEvent
from api.sse_events import Block, EventEncoder
from api.streaming.open import Blocks, StreamRequest, UnresumableStream
from chassis.admission import Admission
from chassis.errors import Draining, InternalError, ServiceError
from chassis.http.disconnect import cancel, wait_until_disconnect
from chassis.logs import log

T = TypeVar("T")


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
            opening = asyncio.ensure_future(stream.open())
            try:
                async with aclosing(asked.events):
                    await wait_until_disconnect(
                        asked.request, self._admission, opening, patience=asked.patience
                    )
                    if opening.done():
                        opening.result()
                    yield stream.blocks(opening)
            finally:
                await cancel(opening)
                self.running -= 1

    async def aclose(self) -> None:
        """See `Streams.aclose`: each ends with its own request."""


class DirectStream:
    """One stream: its events up to the gateway's first word, and those after."""

    def __init__(self, asked: StreamRequest, admission: Admission) -> None:
        self._asked = asked
        self._admission = admission
        self._encoder = EventEncoder()
        self._sent = 0
        self._bytes: list[bytes] = []

    async def open(self) -> None:
        """Reads up to the gateway's first word."""
        async for event in self._asked.events:
            self._bytes.append(self._encoder.encode(event))
            if isinstance(event, Deltas):
                return

    async def blocks(self, opening: "asyncio.Future[None]") -> Blocks:
        """All events; a failure is the last of them."""
        try:
            if (block := self._block()) is not None:
                yield block
            await self._unless_drained(opening)
            if (block := self._block()) is not None:
                yield block
            while (event := await self._unless_drained(self._next())) is not None:
                self._bytes.append(self._encoder.encode(event))
                if (block := self._block()) is not None:
                    yield block
        except ServiceError as error:
            yield self._failed(error)
        except Exception:  # noqa: BLE001 -- the one terminal event is owed for a bug of ours too
            log.exception("stream_failed", request_id=self._asked.trace.request_id)
            yield self._failed(InternalError())

    def _next(self) -> "asyncio.Future[StreamEvent | None]":
        return asyncio.ensure_future(anext(self._asked.events, None))

    async def _unless_drained(self, work: "asyncio.Future[T]") -> "T":
        ends: set[asyncio.Future[Any]] = {work, self._admission.grace_is_over}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await cancel(work)
            raise Draining("the grace of the shutdown is over")
        return work.result()

    def _block(self) -> Block | None:
        data, self._bytes = b"".join(self._bytes), []
        first, self._sent = self._sent + 1, self._encoder.last_id
        return Block(first, self._sent, data) if data else None

    def _failed(self, error: ServiceError) -> Block:
        data = self._encoder.error(error, self._asked.trace)
        return Block(self._encoder.last_id, self._encoder.last_id, data)
