"""A stream is opened before the response is: until then a failure keeps its true status.

request ─► opened: the gateway's first event ─► 200, meta, delta…, done
             │ it fails          └► its own status, as problem+json
             │ patience ends     └► 200, meta, pings; a failure is then an `error` event
             └ the client leaves └► the gateway call is closed, nobody is answered

A client that leaves later may come back and say what it has seen. An `EventSource` does so by
itself after seconds, and is waited for; for any other the gateway call is closed within one.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import Request

from api.app_state import AppState, State, grant_of
from api.idempotency.key import CallKey, call_key, idempotency_key
from api.project import Project, StreamProject
from api.resumable.event_buffer import Block
from api.resumable.live_stream import LiveStream
from api.resumable.registry import RemoteStream
from api.schemas import CompletionRequest, StreamQuery
from api.tickets.granting import IN_BODY, body_granted
from chassis.http.disconnect import wait_until_disconnect
from chassis.http.request_state import caller_of, trace_of
from chassis.http.strict_json import refuse

LAST_EVENT_ID: dict[str, Any] = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "The last event that was received; the same stream goes on after it",
    "required": False,
    "schema": {"type": "string"},
}
LINGER_SECONDS = 0.5
"""How long an answer goes on without its reader, who may have been cut off by the network."""


class UnresumableStream(Exception):
    """An `EventSource` reconnects; 204 tells it to stop, as the HTML standard says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A stream as it was asked for.

    Attributes:
        seen: the last event that the client has seen, where it comes back.
        linger: seconds for which it may come back after it has left.
    """

    request: Request
    body: CompletionRequest
    key: CallKey
    seen: int | None
    has_name: bool
    linger: float


Blocks = AsyncGenerator[Block]


@asynccontextmanager
async def opened(asked: Asked, state: AppState) -> AsyncGenerator[Blocks]:
    """The stream's events, once the gateway has begun to answer or patience has ended.

    Raises:
        GatewayError: the stream could not be opened.
        ClientGone: the client went away before it was.
        Draining, Overloaded: it was not let in, or the process shut down before it was opened.
        UnresumableStream: the client comes back to a stream that is not here any more.
        IdempotencyKeyReused: the stream of this name has another body.
    """
    after = asked.seen or 0
    generation = await found(asked, after, state)
    if isinstance(generation, RemoteStream):
        assert state.redis_streams is not None, "it was found there"  # noqa: S101
        with state.admission.admitted():
            yield state.redis_streams.follow(generation.run, after, trace_of(asked.request))
        return
    if generation is None:
        generation = new_generation(asked, state)
    with generation.read() as reader:
        patience = state.settings.llm_stream_patience_seconds
        await wait_until_disconnect(
            asked.request, state.admission, generation.opened, patience=patience
        )
        if generation.error is not None and not generation.has_begun and not generation.was_sent:
            raise generation.error
        generation.was_sent = True
        reader.linger = asked.linger
        yield generation.follow(after)


async def found(asked: Asked, after: int, state: AppState) -> LiveStream | RemoteStream | None:
    """The one stream, of all replicas, that is meant and goes on after this event.

    Raises:
        IdempotencyKeyReused: the stream of this name has another body.
    """
    if asked.seen is None and not asked.has_name:
        return None
    elsewhere: list[RemoteStream] = []
    if state.redis_streams is not None:
        elsewhere = await state.redis_streams.find(asked.key, after)
    # What is known here is looked at last: another request may have begun it in the meantime.
    known = state.generations.of(asked.key)
    runs = {one.run for one in known}
    meant: list[LiveStream | RemoteStream] = [
        *(one for one in known if one.may_be_meant(after)),
        *(one for one in elsewhere if one.run not in runs),
    ]
    return meant[0] if len(meant) == 1 and meant[0].is_kept_from(after) else None


def new_generation(asked: Asked, state: AppState) -> LiveStream:
    """
    Raises:
        UnresumableStream: a new, paid generation is not what a client that comes back asks for.
    """
    if asked.seen is not None:
        raise UnresumableStream
    trace = trace_of(asked.request)
    events = state.llm.stream(
        asked.body.question(),
        project_id=asked.key.project,
        solution=state.settings.solution,
        user_id=caller_of(asked.request).user_id,
        trace=trace,
        **asked.body.options(),
    )
    generation = state.generations.start(asked.key, events, trace)
    if state.redis_streams is not None:
        state.redis_streams.share(generation)
    return generation


def last_seen(request: Request) -> int | None:
    """The event that `Last-Event-ID` names; -1, which no stream has, for what is none of ours."""
    value = request.headers.get("Last-Event-ID")
    if value is None:
        return None
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else -1


async def opened_by_body(
    request: Request, body: CompletionRequest, project: Project, state: State
) -> AsyncGenerator[Blocks]:
    """The opened stream of a POST."""
    name = idempotency_key(request)
    key = call_key("stream", project, caller_of(request), body, name)
    asked = Asked(request, body, key, last_seen(request), name is not None, LINGER_SECONDS)
    async with opened(asked, state) as blocks:
        yield blocks


def refuse_repetition(names: list[str]) -> None:
    """Of two values a proxy in between might have seen the other one."""
    for name in names:
        if names.count(name) > 1:
            refuse(["query", name], "given more than once")


async def opened_by_query(
    request: Request, query: Annotated[StreamQuery, Query()], project: StreamProject, state: State
) -> AsyncGenerator[Blocks]:
    """The opened stream of a GET."""
    refuse_repetition([name for name, _ in request.query_params.multi_items()])
    granted = grant_of(request)
    name, seen = query.idempotency_key, last_seen(request)
    if granted is None:
        body = CompletionRequest(**query.model_dump(include=IN_BODY))
    else:
        body = body_granted(query, granted)
        name = granted.idempotency_key if name is None else name
        seen = granted.last_event_id if seen is None else seen
    name = idempotency_key(request, name)
    key = call_key("stream", project, caller_of(request), body, name)
    linger = LINGER_SECONDS
    if request.headers.get("Accept") == "text/event-stream":
        linger = state.settings.llm_stream_resume_seconds
    asked = Asked(request, body, key, seen, name is not None, linger)
    async with opened(asked, state) as blocks:
        yield blocks


OpenedByBody = Annotated[Blocks, Depends(opened_by_body)]
OpenedByQuery = Annotated[Blocks, Depends(opened_by_query)]
