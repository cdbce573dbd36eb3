"""A stream is opened before the response is: until then a failure keeps its true status.

request ─► open_stream: the gateway's first event ─► 200, meta, delta…, done
             │ it fails          └► its own status, as problem+json
             │ patience ends     └► 200, meta, pings; a failure is then an `error` event
             └ the client leaves └► the gateway call is closed, nobody is answered
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query

# 1. This import also replaces uvicorn's exit handler; server.py puts its own in its place.
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.types import Receive

from api.events import encode_events
from api.llm import StreamEvent
from api.project import Project, StreamProject
from api.schemas import CompletionRequest, StreamQuery
from api.state import Here, trace_of
from api.tracing import Trace

PING_SECONDS = 15
SEND_SECONDS = 30
T = TypeVar("T")


class ClientGone(Exception):
    """The client went away; there is nobody to answer."""


class Unresumable(Exception):
    """An `EventSource` reconnects; 204 tells it to stop, as the HTML standard says."""


async def unless_client_leaves(
    request: Request, work: Coroutine[Any, Any, T], *, patience: float | None = None
) -> "asyncio.Task[T]":
    """Does the work until it is done, or patience ends, or the client goes away.

    Args:
        patience: seconds after which the work goes on without being waited for.

    Raises:
        ClientGone: the client went away; the work was cancelled.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnect(request.receive))
    try:
        done, _ = await asyncio.wait(
            {task, gone}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if task in done or not done:
            return task
        raise ClientGone
    except BaseException:
        await cancel(task)
        raise
    finally:
        await cancel(gone)


async def disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


@asynccontextmanager
async def opened(
    request: Request, events: AsyncGenerator[StreamEvent], patience: float
) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    """The same events, once the gateway has begun to answer or patience has ended.

    Args:
        events: `Meta`, which costs nothing, then what the gateway says.
        patience: seconds to wait for the gateway's first word.

    Raises:
        GatewayError: the stream could not be opened.
        ClientGone: the client went away before it was.
    """
    first = None
    try:
        meta = await anext(events)
        first = await unless_client_leaves(request, read(events), patience=patience)
        if first.done():
            first.result()
        yield resumed(meta, first, events)
    finally:
        if first is not None:
            await cancel(first)
        await events.aclose()


async def read(events: AsyncGenerator[StreamEvent]) -> StreamEvent | None:
    return await anext(events, None)


async def resumed(
    meta: StreamEvent,
    first: "asyncio.Task[StreamEvent | None]",
    events: AsyncGenerator[StreamEvent],
) -> AsyncIterator[StreamEvent]:
    yield meta
    if (event := await first) is not None:
        yield event
    async for event in events:
        yield event


async def opened_by_body(
    request: Request,
    body: CompletionRequest,
    project: Project,
    here: Here,
) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    """The opened stream of a POST; closed when the response is over, however it ends."""
    with here.admission.admitted():
        events = here.llm.stream(
            body.question(),
            project_id=project,
            solution=here.settings.solution,
            trace=trace_of(request),
            **body.options(),
        )
        patience = here.settings.llm_stream_patience_seconds
        async with opened(request, events, patience) as stream:
            yield stream


async def opened_by_query(
    request: Request,
    query: Annotated[StreamQuery, Query()],
    project: StreamProject,
    here: Here,
) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    """The opened stream of a GET.

    Raises:
        Unresumable: an `EventSource` reconnects; a new, paid generation is not what it asks for.
    """
    if "Last-Event-ID" in request.headers:
        raise Unresumable
    body = CompletionRequest(prompt=query.prompt, model=query.model, max_tokens=query.max_tokens)
    async for stream in opened_by_body(request, body, project, here):
        yield stream


OpenedByBody = Annotated[AsyncIterator[StreamEvent], Depends(opened_by_body)]
OpenedByQuery = Annotated[AsyncIterator[StreamEvent], Depends(opened_by_query)]


class EventStream(EventSourceResponse):
    """The response of an opened stream: pings, no buffering on the way, a bound on slow readers."""

    def __init__(self, events: AsyncIterator[StreamEvent], trace: Trace) -> None:
        super().__init__(
            encode_events(events, trace),
            ping=PING_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=SEND_SECONDS,
            sep="\n",
        )
