"""A stream without a memory: opened before its response, and ended when its reader leaves."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from api.call_key import CallKey
from api.errors import UpstreamFailed
from api.llm.client import Deltas, StreamEvent
from api.schemas import Meta
from api.streaming.direct import DirectStreams
from api.streaming.open import StreamRequest, UnresumableStream
from chassis.admission import Admission
from chassis.errors import Overloaded
from chassis.http.disconnect import ClientDisconnected
from chassis.project_id import ProjectId
from chassis.trace_context import Trace

META = Meta(request_id="r", trace_id="t", project_id="demo", solution="tests", requested_model="ok")
KEY = CallKey("stream", ProjectId("demo"), "", "", "")
FOREVER = 60.0
NO_PATIENCE = 0.01


class Answer:
    """An answer that comes as the test says, and notes when it is closed."""

    def __init__(self, *script: StreamEvent | Exception | asyncio.Event) -> None:
        self._script = script
        self.is_closed = False

    async def events(self) -> AsyncGenerator[StreamEvent]:
        try:
            yield META
            for step in self._script:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        finally:
            self.is_closed = True


def asked(
    answer: Answer,
    *,
    patience: float = FOREVER,
    seen: int | None = None,
    leaves: asyncio.Event | None = None,
) -> StreamRequest:
    async def receive() -> Message:
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "headers": [], "state": {"trace": Trace()}}, receive)
    return StreamRequest(request, KEY, False, answer.events(), patience, seen, 0.0)


async def names_in(streams: DirectStreams, stream: StreamRequest) -> list[str]:
    data = b""
    async with streams.opened(stream) as blocks:
        async for block in blocks:
            data += block.data
    lines = data.decode().splitlines()
    ids = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    assert ids == list(range(1, len(ids) + 1))
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


def nothing_is_left(answer: Answer, streams: DirectStreams, admission: Admission) -> None:
    assert answer.is_closed
    assert (streams.running, admission.in_flight) == (0, 0)


@pytest.mark.parametrize("texts", [["a"], ["a", "b", "c"], []])
async def test_the_events_are_handed_on_in_order(texts: Sequence[str]) -> None:
    admission = Admission(1)
    streams, answer = DirectStreams(admission), Answer(Deltas([]), *(Deltas([t]) for t in texts))
    assert await names_in(streams, asked(answer)) == ["meta", *("delta" for _ in texts)]
    nothing_is_left(answer, streams, admission)


async def test_a_failure_before_the_first_word_is_no_event() -> None:
    admission = Admission(1)
    streams, answer = DirectStreams(admission), Answer(UpstreamFailed("at once"))
    with pytest.raises(UpstreamFailed):
        await names_in(streams, asked(answer))
    nothing_is_left(answer, streams, admission)


async def test_a_failure_when_patience_is_over_is_the_last_event() -> None:
    admission, word = Admission(1), asyncio.Event()
    streams, answer = DirectStreams(admission), Answer(word, UpstreamFailed("late"))
    reading = asyncio.create_task(names_in(streams, asked(answer, patience=NO_PATIENCE)))
    await asyncio.sleep(5 * NO_PATIENCE)
    word.set()
    assert await reading == ["meta", "error"]
    nothing_is_left(answer, streams, admission)


@pytest.mark.parametrize("failure", [UpstreamFailed("cut"), ZeroDivisionError()])
async def test_a_failure_on_the_way_is_the_last_event(failure: Exception) -> None:
    admission = Admission(1)
    streams, answer = DirectStreams(admission), Answer(Deltas(["a"]), failure)
    assert await names_in(streams, asked(answer)) == ["meta", "delta", "error"]
    nothing_is_left(answer, streams, admission)


async def test_a_client_that_leaves_before_the_first_word_ends_the_call() -> None:
    admission, leaves = Admission(1), asyncio.Event()
    streams, answer = DirectStreams(admission), Answer(asyncio.Event())
    reading = asyncio.create_task(names_in(streams, asked(answer, leaves=leaves)))
    await asyncio.sleep(0.01)
    assert (streams.running, admission.in_flight) == (1, 1)
    leaves.set()
    with pytest.raises(ClientDisconnected):
        await reading
    nothing_is_left(answer, streams, admission)


async def test_a_reader_that_leaves_on_the_way_ends_the_call() -> None:
    admission = Admission(1)
    streams, answer = DirectStreams(admission), Answer(Deltas(["a"]), asyncio.Event())
    reading = asyncio.create_task(names_in(streams, asked(answer)))
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    nothing_is_left(answer, streams, admission)


async def test_when_the_grace_of_a_shutdown_is_over_the_last_event_says_so() -> None:
    admission = Admission(1)
    streams, answer = DirectStreams(admission), Answer(Deltas(["a"]), asyncio.Event())
    reading = asyncio.create_task(names_in(streams, asked(answer)))
    await asyncio.sleep(0.01)
    admission.end_the_grace()
    assert await reading == ["meta", "delta", "error"]
    nothing_is_left(answer, streams, admission)


async def test_a_client_that_comes_back_is_told_to_stop() -> None:
    with pytest.raises(UnresumableStream):
        await names_in(DirectStreams(Admission(1)), asked(Answer(), seen=3))


async def test_a_stream_takes_a_place() -> None:
    admission = Admission(0)
    with pytest.raises(Overloaded):
        await names_in(DirectStreams(admission), asked(Answer()))
