"""The queue before a receiver of spans: bounded, in batches, and patient to a point."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from api.gateway.attribution import Attribution, Solution
from api.llm.call import Call
from api.llm.observers import CALL_BYTES, CallRecord, size_of
from api.schemas import Message
from chassis.project_id import ProjectId
from chassis.telemetry.export import BATCH_CALLS, QUEUE_BYTES, NotNow, Refused, SpanExport
from chassis.telemetry.spans import NewSpan
from chassis.trace_context import Trace


class Receiving:
    """Takes batches, or does what it is told to."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.hangs = False

    async def send(self, batch: ExportTraceServiceRequest) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if self.error is not None:
            raise self.error
        self.batches.append(len(batch.resource_spans[0].scope_spans[0].spans))


class OneSpan:
    """A span for each call."""

    wants_text = False

    def __call__(self, call: CallRecord, new: NewSpan) -> None:
        new().name = "one"


def call(prompt: str = "Hello") -> CallRecord:
    trace = Trace()
    attribution = Attribution(ProjectId("demo"), Solution("tests"), trace.trace_id)
    asked = [Message(role="user", content=prompt)]
    seen = CallRecord(Call(("ok",), asked, {}, 1, attribution, trace, 0.0, streams=False))
    seen.size = size_of(seen)
    return seen


@asynccontextmanager
async def exporting(
    receiving: Receiving, to_spans: OneSpan
) -> AsyncIterator[SpanExport[CallRecord]]:
    async with SpanExport("tests", to_spans, receiving.send, Resource()) as export:
        yield export


async def test_spans_go_in_batches_and_a_full_batch_goes_at_once() -> None:
    receiving = Receiving()
    async with exporting(receiving, OneSpan()) as export:
        for _ in range(2 * BATCH_CALLS + 3):
            export.ended(call())
        await asyncio.sleep(0.2)
        assert receiving.batches == [BATCH_CALLS, BATCH_CALLS, 3]
        assert (export.sent, export.dropped) == (2 * BATCH_CALLS + 3, 0)


async def test_what_is_left_at_the_end_is_sent() -> None:
    receiving = Receiving()
    async with exporting(receiving, OneSpan()) as export:
        export.ended(call())
    assert receiving.batches == [1]
    assert (export.sent, export.dropped) == (1, 0)


async def test_what_a_receiver_will_never_take_is_dropped_and_counted() -> None:
    receiving = Receiving()
    receiving.error = Refused("status 401")
    async with exporting(receiving, OneSpan()) as export:
        for _ in range(BATCH_CALLS):
            export.ended(call())
        await asyncio.sleep(0.2)
        assert (export.sent, export.dropped) == (0, BATCH_CALLS)


async def test_what_it_does_not_take_now_is_kept_and_sent_later() -> None:
    receiving = Receiving()
    receiving.error = NotNow("status 503")
    async with exporting(receiving, OneSpan()) as export:
        for _ in range(BATCH_CALLS):
            export.ended(call())
        await asyncio.sleep(0.2)
        assert (export.sent, export.dropped) == (0, 0)
        receiving.error = None
    assert receiving.batches == [BATCH_CALLS]


@pytest.mark.parametrize("hangs", [True, False])
async def test_what_is_kept_is_bounded_and_the_end_does_not_wait_long(hangs: bool) -> None:
    receiving = Receiving()
    receiving.hangs, receiving.error = hangs, NotNow("away")
    size = 100_000
    fit = QUEUE_BYTES // (size + CALL_BYTES)
    async with asyncio.timeout(10):
        async with exporting(receiving, OneSpan()) as export:
            for _ in range(fit + 50):
                export.ended(call("x" * size))
            assert export.queued == fit
            assert export.dropped == fit + 50 - export.queued
    assert export.dropped == fit + 50
    assert export.queued == 0
