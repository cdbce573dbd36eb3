"""The queue before a receiver of spans: bounded, in batches, and patient to a point."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Event

import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from api.gateway.attribution import Attribution, Solution
from api.llm.call import Call
from api.llm.observers import CALL_BYTES, CallRecord, size_of
from api.schemas import CompletionOptions, Message
from chassis.project_id import ProjectId
from chassis.telemetry.export import BATCH_CALLS, QUEUE_BYTES, SpanExport
from chassis.telemetry.otlp import over_http
from chassis.telemetry.spans import SERVER, SpanFactory
from chassis.trace_context import Trace
from hearsay import said
from running import listening


class Receiving(SpanExporter):
    """Takes batches, or does what it is told to."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.refuses = False
        self.hangs = False
        self._is_over = Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.hangs:
            self._is_over.wait(60)
        if self.refuses:
            return SpanExportResult.FAILURE
        self.batches.append(len(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._is_over.set()


class OneSpan:
    """A span for each call."""

    wants_text = False

    def __init__(self) -> None:
        self._spans = SpanFactory("tests")

    def __call__(self, record: CallRecord) -> list[ReadableSpan]:
        trace, words = record.call.trace, str(record.call.messages[0]["content"])
        span = self._spans.span(
            SERVER, "one", trace, began=0, seconds=1, failure=None, attributes={"words": words}
        )
        return [span]


def call(prompt: str = "Hello") -> CallRecord:
    trace = Trace()
    attribution = Attribution(ProjectId("demo"), Solution("tests"), trace.trace_id)
    asked = [Message(role="user", content=prompt)]
    asked_for = Call(("ok",), asked, CompletionOptions(), 1, attribution, trace, 0.0, streams=False)
    record = CallRecord(asked_for)
    record.size = size_of(record)
    return record


@asynccontextmanager
async def exporting(exporter: SpanExporter) -> AsyncIterator[SpanExport[CallRecord]]:
    async with SpanExport("tests", OneSpan(), exporter) as export:
        yield export


async def test_spans_go_in_batches_and_a_full_batch_goes_at_once() -> None:
    receiving = Receiving()
    async with exporting(receiving) as export:
        for _ in range(2 * BATCH_CALLS + 3):
            export.ended(call())
        await asyncio.sleep(0.2)
        assert receiving.batches == [BATCH_CALLS, BATCH_CALLS]
        assert (export.sent, export.queued) == (2 * BATCH_CALLS, 3)
        await asyncio.sleep(1.5)
        assert receiving.batches == [BATCH_CALLS, BATCH_CALLS, 3]
        assert (export.sent, export.dropped) == (2 * BATCH_CALLS + 3, 0)


async def test_what_is_left_at_the_end_is_sent() -> None:
    receiving = Receiving()
    async with exporting(receiving) as export:
        export.ended(call())
    assert receiving.batches == [1]
    assert (export.sent, export.dropped) == (1, 0)


async def test_what_a_receiver_will_never_take_is_dropped_and_counted() -> None:
    receiving = Receiving()
    receiving.refuses = True
    async with exporting(receiving) as export:
        for _ in range(BATCH_CALLS):
            export.ended(call())
        await asyncio.sleep(0.2)
        assert (export.sent, export.dropped) == (0, BATCH_CALLS)


@asynccontextmanager
async def answering(*statuses: int) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A receiver over HTTP that answers so, one after the other, and then takes what comes."""
    left, asked = list(statuses), []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        await request.read()
        status = left.pop(0) if left else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with listening(app) as url:
        yield f"{url}/v1/traces", asked


async def test_what_it_does_not_take_now_is_kept_and_sent_later() -> None:
    before = len(said("api.log"))
    async with answering(503) as (url, asked), exporting(over_http(url, {})) as export:
        for _ in range(BATCH_CALLS):
            export.ended(call())
        await asyncio.sleep(0.5)
        assert (len(asked), export.sent, export.dropped) == (1, 0, 0)
        assert export.queued == BATCH_CALLS
        await asyncio.sleep(1.5)
        assert (len(asked), export.sent, export.dropped) == (2, BATCH_CALLS, 0)
    lines = [json.loads(line) for line in said("api.log")[before:].splitlines()]
    assert [line["event"] for line in lines] == ["traces_not_taken", "traces_taken_again"]
    assert "Service Unavailable" in lines[0]["reason"]


@pytest.mark.parametrize("status", [307, 401, 500])
async def test_what_it_refuses_is_one_line_of_the_log_and_no_redirect_is_followed(
    status: int,
) -> None:
    before = len(said("api.log"))
    async with answering(*[status] * 3) as (url, asked):
        async with exporting(over_http(url, {"Authorization": "Basic of-a-test"})) as export:
            for _ in range(3 * BATCH_CALLS):
                export.ended(call())
            await asyncio.sleep(0.5)
        assert [request.path for request in asked] == ["/v1/traces"] * 3
    assert (export.sent, export.dropped) == (0, 3 * BATCH_CALLS)
    (line,) = [json.loads(line) for line in said("api.log")[before:].splitlines()]
    assert (line["event"], str(status) in line["reason"]) == ("traces_not_taken", True)


@pytest.mark.parametrize("hangs", [True, False])
async def test_what_is_kept_is_bounded_and_the_end_does_not_wait_long(hangs: bool) -> None:
    receiving = Receiving()
    receiving.hangs, receiving.refuses = hangs, True
    size = 100_000
    fit = QUEUE_BYTES // (size + CALL_BYTES)
    async with asyncio.timeout(10):
        async with exporting(receiving) as export:
            for _ in range(fit + 50):
                export.ended(call("x" * size))
            if hangs:
                assert export.queued == fit
                assert export.dropped == 50
    assert export.dropped == fit + 50
    assert export.queued == 0
