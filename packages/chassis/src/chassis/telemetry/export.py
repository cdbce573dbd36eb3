"""Spans on their way out: in batches, from a bounded queue; no call waits or fails by them.

What a receiver does not take in time is dropped and counted.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from chassis.logs import log
from chassis.telemetry.spans import NewSpan

QUEUE_BYTES = 16 * 1024 * 1024
BATCH_CALLS = 64
"""Their spans are made in about 3 ms."""
BATCH_BYTES = 2 * 1024 * 1024
INTERVAL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
LAST_FLUSH_SECONDS = 2.0


class Refused(Exception):
    """The receiver will not take this batch, however often it is sent."""


class NotNow(Exception):
    """The receiver did not take this batch, and may take it later."""


Send = Callable[[ExportTraceServiceRequest], Awaitable[None]]
"""Raises Refused or NotNow, in bounded time."""


class Seen(Protocol):
    """What is known of a call that is over."""

    @property
    def size(self) -> int:
        """About how many bytes it keeps in memory."""
        ...


SeenT = TypeVar("SeenT", bound=Seen)
SeenT_contra = TypeVar("SeenT_contra", bound=Seen, contravariant=True)


class ToSpans(Protocol[SeenT_contra]):
    wants_text: bool

    def __call__(self, call: SeenT_contra, new: NewSpan) -> None:
        """Makes the spans of a call that is over."""
        ...


class SpanExport(Generic[SeenT]):
    """A watcher that sends each call's spans to one receiver.

    They are made when they are sent: many in a row take a third of the time of as many one by one,
    between other work.

    Args:
        receiver: its name, for the log and the metrics.
        to_spans: what is sent of a call.
        send: sends a batch.
        resource: what the spans are said to come from.
    """

    def __init__(
        self, receiver: str, to_spans: ToSpans[SeenT], send: Send, resource: Resource
    ) -> None:
        self.receiver = receiver
        self.wants_text = to_spans.wants_text
        self.sent = 0
        """Traces that were taken: one for each call."""
        self.dropped = 0
        """Traces that were not: the queue was full, or they were refused."""
        self._to_spans = to_spans
        self._send = send
        self._resource = resource
        self._queue: deque[tuple[SeenT, int]] = deque()
        self._bytes = 0
        self._is_failing = False
        self._is_full = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                await self.flush()
        self.dropped += len(self._queue)
        self._queue.clear()

    @property
    def queued(self) -> int:
        """Traces that wait to be sent."""
        return len(self._queue)

    async def flush(self) -> None:
        """Sends what is queued, as long as the receiver takes it."""
        while self._queue and await self._send_one():
            pass

    def ended(self, call: SeenT) -> None:
        """See `CallObserver.ended`."""
        size = call.size
        if self._bytes + size > QUEUE_BYTES:
            self.dropped += 1
            return
        self._queue.append((call, size))
        self._bytes += size
        if len(self._queue) == BATCH_CALLS:
            self._is_full.set()

    async def _run(self) -> None:
        pause = INTERVAL_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._is_full.wait()
            self._is_full.clear()
            pause = INTERVAL_SECONDS
            while self._queue:
                if not await self._send_one():
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                    await asyncio.sleep(pause)

    async def _send_one(self) -> bool:
        """Sends a batch; False: it stays where it is, for later."""
        batch = ExportTraceServiceRequest()
        resource_spans = batch.resource_spans.add(resource=self._resource)
        scope = resource_spans.scope_spans.add()
        scope.scope.name = "api"
        count = size = 0
        for call, of_call in self._queue:
            if count == BATCH_CALLS or (count and size + of_call > BATCH_BYTES):
                break
            self._to_spans(call, scope.spans.add)
            count, size = count + 1, size + of_call
        try:
            if scope.spans:
                await self._send(batch)
        except NotNow as error:
            self._say(is_failing=True, reason=str(error))
            return False
        except Refused as error:
            self._say(is_failing=True, reason=str(error))
            self.dropped += count
        else:
            self._say(is_failing=False)
            self.sent += count
        for _ in range(count):
            self._bytes -= self._queue.popleft()[1]
        return True

    def _say(self, *, is_failing: bool, reason: str = "") -> None:
        """One line when it begins to fail, and one when that is over."""
        if is_failing and not self._is_failing:
            log.warning(
                "traces_not_taken",
                receiver=self.receiver,
                reason=reason,
                remedy="look at the receiver of the traces, and at its keys",
            )
        elif self._is_failing and not is_failing:
            log.info("traces_taken_again", receiver=self.receiver, dropped=self.dropped)
        self._is_failing = is_failing
