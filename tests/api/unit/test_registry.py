"""The streams that a reader may come back to take no more memory than they are said to."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator

from api.call_key import call_key
from api.errors import UpstreamFailed
from api.llm.client import Deltas, StreamEvent
from api.resumable.registry import KEPT_BYTES, StreamRegistry
from api.schemas import CompletionRequest
from chassis.admission import Admission
from chassis.identity.callers import ANONYMOUS
from chassis.project_id import ProjectId
from chassis.trace_context import Trace


async def short_answer(prompt: str, error: Exception | None = None) -> AsyncGenerator[StreamEvent]:
    """Keeps hold of the prompt until its end, as the real one does."""
    yield Deltas([prompt[:5]])
    if error is not None:
        raise error


async def kept_after(streams: int, *, prompt_bytes: int, error: type[Exception] | None) -> int:
    """The bytes that so many streams leave behind."""
    generations = StreamRegistry(Admission(streams))
    gc.collect()
    tracemalloc.start(1)
    try:
        for number in range(streams):
            prompt = f"{number}".ljust(prompt_bytes)
            body = CompletionRequest.model_validate({"prompt": prompt})
            key = call_key("stream", ProjectId("demo"), ANONYMOUS, body, None)
            events = short_answer(prompt, error() if error else None)
            await asyncio.wait([generations.start(key, events, Trace()).task])
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


async def test_ever_so_many_short_streams_are_kept_within_the_bound() -> None:
    assert await kept_after(12_000, prompt_bytes=10, error=None) < 1.2 * KEPT_BYTES


async def test_what_is_kept_of_a_failed_stream_does_not_hold_its_prompt() -> None:
    assert await kept_after(100, prompt_bytes=100_000, error=UpstreamFailed) < 2_000_000
