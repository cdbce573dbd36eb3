"""One answer in the making: a task of its own writes its events down, readers come and go.

A reader that leaves may come back; until it does, the answer goes on for as long as it was told.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass

from api.call_key import CallKey
from api.errors import StreamInterrupted
from api.llm.client import Deltas, StreamEvent
from api.resumable.event_buffer import EventBuffer
from api.sse_events import Block, EventEncoder
from chassis.errors import InternalError, ServiceError
from chassis.logs import log
from chassis.trace_context import Trace


@dataclass(slots=True)
class Reader:
    """One of those who read; `linger` says for how many seconds it may come back."""

    linger: float = 0.0


class LiveStream:
    """
    Args:
        key: of the call.
        events: of the answer; closed however this ends.
        trace: of the request that asked for it.
        place: held as long as this runs.
    """

    def __init__(
        self, key: CallKey, events: AsyncGenerator[StreamEvent], trace: Trace, place: ExitStack
    ) -> None:
        self.key = key
        self.run = secrets.token_hex(8)
        """Tells it from all others, on any replica."""
        self.log = EventBuffer()
        self.trace = trace
        self.error: ServiceError | None = None
        """What it ended with, if not with an answer."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done with the gateway's first word, or when it is clear that there will be none."""
        self.has_begun = False
        """Whether there was a first word."""
        self.was_sent = False
        """Whether a reader was given its events, and so may ask for the rest."""
        self._readers = 0
        self._last_call: asyncio.TimerHandle | None = None
        self._why_stopped: ServiceError = StreamInterrupted("nobody read it any more")
        self.task = asyncio.create_task(self._write_down(events))
        self.task.add_done_callback(lambda _: place.close())

    @property
    def has_failed(self) -> bool:
        return self.error is not None

    def may_be_meant(self, after: int) -> bool:
        """Whether a reader that has seen this event may mean this one; from 0, if it did not fail.

        It may although the events it misses are not kept any more.
        """
        return self.log.has_more(after) and not (after == 0 and self.has_failed)

    def is_kept_from(self, after: int) -> bool:
        """Whether all the events after this id are still there."""
        return self.log.is_kept_from(after)

    @contextmanager
    def read(self) -> Generator[Reader]:
        """Keeps it going for the block, and for the reader's `linger` after it."""
        reader = Reader()
        self._readers += 1
        if self._last_call is not None:
            self._last_call.cancel()
        try:
            yield reader
        finally:
            self._readers -= 1
            if self._readers == 0:
                loop = asyncio.get_running_loop()
                self._last_call = loop.call_later(reader.linger, self.stop_unread)

    async def follow(self, after: int) -> AsyncGenerator[Block]:
        """The events after this id; a reader left too far behind by another is told that it was."""
        async with aclosing(self.log.follow(after)) as blocks:
            async for block in blocks:
                yield block
                after = block.last
        if after < self.log.last_id:
            yield broken_off(after, StreamInterrupted("another reader was faster"), self.trace)

    def stop_unread(self) -> None:
        """Stops it, unless somebody reads it."""
        if self._readers == 0:
            self.task.cancel()

    def stop(self, why: ServiceError) -> None:
        """Stops it; this is what its readers are told."""
        self._why_stopped = why
        self.task.cancel()

    async def _write_down(self, events: AsyncGenerator[StreamEvent]) -> None:
        encoder = EventEncoder()
        try:
            async with aclosing(events):
                async for event in events:
                    if data := encoder.encode(event):
                        self.log.append(encoder.last_id, data)
                    if not self.has_begun and isinstance(event, Deltas):
                        self.has_begun = True
                        self._open()
                    if self.log.is_full:
                        await self.log.room()
        except ServiceError as error:
            self.error = without_frames(error)
        except asyncio.CancelledError:
            self.error = self._why_stopped
            log.info(
                "stream_stopped",
                outcome=self.error.code,
                reason=self.error.reason,
                request_id=self.trace.request_id,
                trace_id=self.trace.trace_id,
            )
        except Exception:  # noqa: BLE001 -- the one terminal event is owed for a bug of ours too
            log.exception(
                "stream_failed", request_id=self.trace.request_id, trace_id=self.trace.trace_id
            )
            self.error = InternalError()
        if encoder.ended:
            self.error = None
        elif self.error is not None:
            self.log.append(encoder.last_id + 1, encoder.error(self.error, self.trace))
        self.log.end()
        self._open()

    def _open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)


def broken_off(after: int, why: ServiceError, trace: Trace) -> Block:
    """The terminal event for a reader that has seen the events up to this id."""
    encoder = EventEncoder()
    encoder.last_id = after
    data = encoder.error(why, trace)
    return Block(encoder.last_id, encoder.last_id, data)


def without_frames(error: ServiceError) -> ServiceError:
    """The error alone: the frames that it came through hold the prompt, as long as it is kept."""
    error.__context__ = None
    return error.with_traceback(None)
