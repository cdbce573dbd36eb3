"""`POST` and `GET /llm/stream`: the answer as Server-Sent Events."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.app_state import State
from api.call_key import call_key
from api.idempotency.key import idempotency_key  # removable: idempotency
from api.project import BoundLlm, ProjectLlm, StreamLlm
from api.routes.openapi import EVENTS, FAILURES, RESUMED, RESUMED_OR_QUERY
from api.schemas import IN_QUERY, CompletionRequest, StreamQuery
from api.settings import Settings
from api.sse_events import SseResponse
from api.streaming.open import Blocks, StreamRequest, last_seen
from api.tickets.granting import body_granted, grant_of  # removable: tickets
from chassis.http.strict_json import StrictJsonRoute, refuse

LINGER_SECONDS = 0.5
"""How long an answer goes on without its reader, who may have been cut off by the network."""

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES, route_class=StrictJsonRoute)


def asked(
    request: Request,
    body: CompletionRequest,
    llm: BoundLlm,
    settings: Settings,
    name: str | None,
    seen: int | None,
    linger: float = LINGER_SECONDS,
) -> StreamRequest:
    return StreamRequest(
        request=request,
        key=call_key("stream", llm.project_id, llm.caller, body, name),
        has_name=name is not None,
        events=llm.stream(body.asked(), **body.options()),
        patience=settings.llm_stream_patience_seconds,
        seen=seen,
        linger=linger,
    )


async def opened_by_body(
    request: Request, body: CompletionRequest, llm: ProjectLlm, state: State
) -> AsyncGenerator[Blocks]:
    """The opened stream of a POST."""
    name = None
    name = idempotency_key(request)  # removable: idempotency
    wanted = asked(request, body, llm, state.settings, name, last_seen(request))
    async with state.streams.opened(wanted) as blocks:
        yield blocks


async def opened_by_query(
    request: Request, query: Annotated[StreamQuery, Query()], llm: StreamLlm, state: State
) -> AsyncGenerator[Blocks]:
    """The opened stream of a GET."""
    refuse_repetition([name for name, _ in request.query_params.multi_items()])
    name, seen = query.idempotency_key, last_seen(request)
    body = None
    if (grant := grant_of(request)) is not None:  # removable: tickets
        body = body_granted(query, grant)  # removable: tickets
        name = grant.idempotency_key if name is None else name  # removable: tickets
        seen = grant.last_event_id if seen is None else seen  # removable: tickets
    if body is None:
        body = CompletionRequest(**query.model_dump(include=IN_QUERY))
    name = idempotency_key(request, name)  # removable: idempotency
    linger = LINGER_SECONDS
    if request.headers.get("Accept") == "text/event-stream":  # removable: resumable
        linger = state.settings.llm_stream_resume_seconds  # removable: resumable
    wanted = asked(request, body, llm, state.settings, name, seen, linger)
    async with state.streams.opened(wanted) as blocks:
        yield blocks


@router.post(
    "/stream",
    openapi_extra=RESUMED,
    responses=EVENTS,
    response_class=SseResponse,
    status_code=200,
)
async def stream(blocks: Annotated[Blocks, Depends(opened_by_body)]) -> SseResponse:
    """The answer as Server-Sent Events: `meta`, `delta`…, then `done` or `error`."""
    return SseResponse(blocks)


@router.get(
    "/stream",
    openapi_extra=RESUMED_OR_QUERY,
    responses=EVENTS,
    response_class=SseResponse,
    status_code=200,
)
async def stream_for_event_source(
    blocks: Annotated[Blocks, Depends(opened_by_query)],
) -> SseResponse:
    """The same for a browser's `EventSource` and for `curl -N`."""
    return SseResponse(blocks)


def refuse_repetition(names: list[str]) -> None:
    """Of two values a proxy in between might have seen the other one."""
    for name in names:
        if names.count(name) > 1:
            refuse(["query", name], "given more than once")
