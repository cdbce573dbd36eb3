"""Spans on their way out: from a bounded queue, in batches, in a thread. No call waits or fails by
them.

OpenTelemetry's processor makes the batches, one of its exporters sends them; what a receiver does
not take in the exporter's time is dropped and counted.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from threading import Lock, Thread
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar, cast

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from chassis.logs import log

QUEUE_BYTES = 16 * 1024 * 1024
QUEUE_CALLS = 2048
"""The default of the processors, and the only one that Langfuse's knows."""
BATCH_CALLS = 256
INTERVAL_SECONDS = 1.0
LAST_FLUSH_SECONDS = 2.0


class FinishedCall(Protocol):
    """What is known of a call that is over."""

    @property
    def size(self) -> int:
        """About how many bytes it keeps in memory."""
        ...


CallT = TypeVar("CallT", bound=FinishedCall)
CallT_contra = TypeVar("CallT_contra", bound=FinishedCall, contravariant=True)


class ToSpans(Protocol[CallT_contra]):
    wants_text: bool

    def __call__(self, call: CallT_contra, /) -> Iterable[ReadableSpan]:
        """The spans of a call that is over; none where it is not sampled."""
        ...


class QueuedCall(ReadableSpan, Generic[CallT]):
    """A call in the processor's queue, in place of its spans.

    They are made when they are sent: many in a row take a third of the time of as many one by one,
    between other work.
    """

    CONTEXT = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    RESOURCE = Resource({})

    def __init__(self, call: CallT) -> None:
        super().__init__("queued", self.CONTEXT, resource=self.RESOURCE)
        self.call = call


def in_batches(exporter: SpanExporter) -> SpanProcessor:
    """OpenTelemetry's processor for this exporter."""
    return BatchSpanProcessor(exporter, QUEUE_CALLS, INTERVAL_SECONDS * 1000, BATCH_CALLS)


class SpanExport(SpanExporter, Generic[CallT]):
    """An observer of calls that sends their spans to one receiver, and counts what came of them.

    Args:
        receiver: its name, for the log and the metrics.
        to_spans: what is sent of a call.
        exporter: sends a batch, and tries again for a while where that may help.
        processor: what makes the batches for an exporter.
    """

    def __init__(
        self,
        receiver: str,
        to_spans: ToSpans[CallT],
        exporter: SpanExporter,
        processor: Callable[[SpanExporter], SpanProcessor] = in_batches,
    ) -> None:
        self.receiver = receiver
        self.wants_text = to_spans.wants_text
        self.sent = self.dropped = self.queued = 0
        self._bytes = 0
        self._lock = Lock()
        self._to_spans = to_spans
        self._exporter = exporter
        self._is_closed = self._is_failing = False
        hear_exporters()
        self._processor = processor(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        # 1. The processor waits for half a minute, and its thread for as long as a receiver hangs.
        flush = Thread(target=self._processor.shutdown, daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, LAST_FLUSH_SECONDS)
        self._exporter.shutdown()
        with self._lock:
            self.dropped, self.queued, self._is_closed = self.dropped + self.queued, 0, True

    def ended(self, call: CallT) -> None:
        """See `CallObserver.ended`."""
        with self._lock:
            is_full = self.queued == QUEUE_CALLS or self._bytes + call.size > QUEUE_BYTES
            if is_full or self._is_closed:
                self.dropped += 1
                return
            self.queued += 1
            self._bytes += call.size
        self._processor.on_end(QueuedCall(call))

    def flush(self) -> None:
        """Sends what is queued, and waits for that."""
        self._processor.force_flush()

    def export(self, batch: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans of the queued calls, in the processor's thread."""
        calls = [cast(QueuedCall[CallT], queued).call for queued in batch]
        result = SpanExportResult.FAILURE
        token = hearing.set(self._fails)
        try:
            spans = [span for call in calls for span in self._to_spans(call)]
            result = self._exporter.export(spans) if spans else SpanExportResult.SUCCESS
        finally:
            hearing.reset(token)
            self._settle(calls, result is SpanExportResult.SUCCESS)
        return result

    def _settle(self, calls: Sequence[CallT], is_sent: bool) -> None:
        with self._lock:
            if not self._is_closed:
                self.queued -= len(calls)
                self._bytes -= sum(call.size for call in calls)
                if is_sent:
                    self.sent += len(calls)
                else:
                    self.dropped += len(calls)
        if not is_sent:
            self._fails("")
        elif self._is_failing:
            self._is_failing = False
            log.info("traces_taken_again", receiver=self.receiver, dropped=self.dropped)

    def _fails(self, reason: str) -> None:
        """One line when it begins to fail; `_settle` has the one for when that is over."""
        if not self._is_failing:
            self._is_failing = True
            log.warning(
                "traces_not_taken",
                receiver=self.receiver,
                reason=reason[:300],
                remedy="look at the receiver of the traces, and at its keys",
            )


hearing: ContextVar[Callable[[str], None] | None] = ContextVar("hearing", default=None)
"""Who is told what an exporter logs of the batch that it sends."""


class ExporterLog(logging.Handler):
    """Exporters log each batch that fails, and each time they try again: it is no line of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        if (tell := hearing.get()) is not None:
            tell(record.getMessage())


EXPORTER_LOG = ExporterLog()


def hear_exporters() -> None:
    exporters = logging.getLogger("opentelemetry.exporter")
    exporters.propagate = False
    exporters.addHandler(EXPORTER_LOG)
