"""A stream is opened before the response is: until then a failure keeps its true status.

request ─► opened: the gateway's first event ─► 200, meta, delta…, done
             │ it fails          └► its own status, as problem+json
             │ patience ends     └► 200, meta, pings; a failure is then an `error` event
             └ the client leaves └► the gateway call is closed, nobody is answered
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import Request

from api.attribution import ProjectId
from api.llm import StreamEvent
from api.project import Project, StreamProject
from api.schemas import CompletionRequest, StreamQuery
from api.state import Here, Parts, trace_of
from api.waiting import cancel, wait_while_wanted


class UnresumableStream(Exception):
    """An `EventSource` reconnects; 204 tells it to stop, as the HTML standard says."""


@asynccontextmanager
async def opened(
    request: Request, body: CompletionRequest, project: ProjectId, here: Parts
) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    """The stream's events, once the gateway has begun to answer or patience has ended.

    However the block ends, the gateway call is over after it.

    Raises:
        GatewayError: the stream could not be opened.
        ClientGone: the client went away before it was.
        Draining, Overloaded: it was not let in, or the process shut down before it was opened.
    """
    with here.admission.admitted():
        events = here.llm.stream(
            body.question(),
            project_id=project,
            solution=here.settings.solution,
            trace=trace_of(request),
            **body.options(),
        )
        async with aclosing(events):
            meta = await anext(events)
            first = asyncio.ensure_future(next_event(events))
            try:
                patience = here.settings.llm_stream_patience_seconds
                await wait_while_wanted(request, here.admission, first, patience=patience)
                if first.done():
                    first.result()
                yield resumed(meta, first, events)
            finally:
                await cancel(first)


async def next_event(events: AsyncGenerator[StreamEvent]) -> StreamEvent | None:
    return await anext(events, None)


async def resumed(
    meta: StreamEvent,
    first: "asyncio.Future[StreamEvent | None]",
    events: AsyncGenerator[StreamEvent],
) -> AsyncGenerator[StreamEvent]:
    yield meta
    if (event := await first) is not None:
        yield event
    async for event in events:
        yield event


async def opened_by_body(
    request: Request, body: CompletionRequest, project: Project, here: Here
) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    """The opened stream of a POST."""
    async with opened(request, body, project, here) as events:
        yield events


async def opened_by_query(
    request: Request, query: Annotated[StreamQuery, Query()], project: StreamProject, here: Here
) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
    """The opened stream of a GET.

    Raises:
        UnresumableStream: a new, paid generation is not what a reconnect asks for.
    """
    if "Last-Event-ID" in request.headers:
        raise UnresumableStream
    body = CompletionRequest(prompt=query.prompt, model=query.model, max_tokens=query.max_tokens)
    async with opened(request, body, project, here) as events:
        yield events


OpenedByBody = Annotated[AsyncIterator[StreamEvent], Depends(opened_by_body)]
OpenedByQuery = Annotated[AsyncIterator[StreamEvent], Depends(opened_by_query)]
