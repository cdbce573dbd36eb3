"""The streams of this process that a reader may come back to: those that run, and ended ones.

A reader says what it has seen (`Last-Event-ID`); which stream it was, the call's key says. Where
more than one could be meant, none is: to go on with the wrong one would be silently wrong.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from cachetools import TTLCache

from api.call_key import CallKey
from api.llm.client import StreamEvent
from api.resumable.live_stream import LiveStream
from api.sse_events import Block
from chassis.admission import Admission
from chassis.errors import ServiceError
from chassis.trace_context import Trace

KEPT_SECONDS = 120
KEPT_BYTES = 32 * 1024 * 1024
OVERHEAD_BYTES = 5 * 1024
"""What a stream takes beside its events, as measured; most are shorter than that."""
KEPT_OF_A_KEY = 2
REMEMBERED_OF_A_KEY = 20
"""Those before are not told any more, but a reader may still mean one of them."""

Ended = tuple[LiveStream, ...]


@dataclass(frozen=True, slots=True)
class RemoteStream:
    """A stream that is not here any more, or never was, but can be followed through Redis."""

    run: str
    oldest: int

    def is_kept_from(self, after: int) -> bool:
        """Whether all the events after this id are still there."""
        return self.oldest <= after + 1


class SharedStreams(Protocol):
    """The streams of all replicas."""

    def share(self, stream: LiveStream) -> None:
        """Makes this stream known to the others, until it ends."""
        ...

    async def find(self, key: CallKey, after: int) -> list[RemoteStream]:
        """Those of this key that a reader who has seen this event may mean.

        Raises:
            IdempotencyKeyReused: the key was given with another body.
        """
        ...

    def follow(
        self, run: str, after: int, trace: Trace, ends: "asyncio.Future[None]"
    ) -> AsyncGenerator[Block]:
        """The events after this id of the stream of this run; ends with a terminal event.

        Args:
            ends: done when it has to end before.
        """
        ...


class StreamRegistry:
    """
    Args:
        admission: each stream that runs takes a place.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._running: dict[CallKey, list[LiveStream]] = {}
        self._ended: TTLCache[CallKey, Ended] = TTLCache(
            KEPT_BYTES,
            KEPT_SECONDS,
            getsizeof=lambda ended: sum(one.log.size + OVERHEAD_BYTES for one in ended),
        )

    def start(self, key: CallKey, events: AsyncGenerator[StreamEvent], trace: Trace) -> LiveStream:
        """A new stream.

        Raises:
            Draining, Overloaded: there is no place for it.
        """
        with ExitStack() as place:
            place.enter_context(self._admission.admitted())
            stream = LiveStream(key, events, trace, place.pop_all())
        self._running.setdefault(key, []).append(stream)
        stream.task.add_done_callback(lambda _: self._keep(key, stream))
        return stream

    @property
    def running(self) -> int:
        """How many streams run."""
        return sum(map(len, self._running.values()))

    def of(self, key: CallKey) -> list[LiveStream]:
        """The streams of this key that run, and those that ended not long ago.

        Raises:
            IdempotencyKeyReused: the key was given with another body.
        """
        known = [*self._running.get(key, ()), *self._ended.get(key, ())]
        for one in known:
            key.must_have_body(one.key.body)
        return known

    def stop(self, why: ServiceError) -> None:
        """Stops all that run; this is what their readers are told."""
        for stream in [one for running in self._running.values() for one in running]:
            stream.stop(why)

    async def aclose(self) -> None:
        """Stops all that run, and waits until they are over."""
        tasks = [one.task for running in self._running.values() for one in running]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _keep(self, key: CallKey, stream: LiveStream) -> None:
        running = self._running[key]
        running.remove(stream)
        if not running:
            del self._running[key]
        if stream.has_begun or stream.was_sent:
            ended = (*self._ended.get(key, ()), stream)[-REMEMBERED_OF_A_KEY:]
            for forgotten in ended[:-KEPT_OF_A_KEY]:
                forgotten.log.forget()
            self._ended[key] = ended
