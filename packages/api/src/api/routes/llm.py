"""Every `/llm` route; what they do is done elsewhere."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.app_state import State
from api.event_stream import SseResponse
from api.idempotency import key as call_key
from api.llm.call import alias_of
from api.project import Project, ReadableProject, in_openapi
from api.routes.complete import completed, timing_of
from api.routes.reports import Model, ModelList, SelfTestReport, Ticket, UsageReport
from api.routes.self_test import run_test
from api.schemas import Completion, CompletionRequest, Problem
from api.streaming.open import LAST_EVENT_ID, OpenedByBody, OpenedByQuery, last_seen
from api.tickets.granting import grant
from api.tickets.tickets import LIFETIME_SECONDS
from api.usage.figures import usage_report
from api.usage.ledger import MONTH, booked_month, this_month
from chassis.http.disconnect import run_until_disconnect
from chassis.http.request_state import caller_of, trace_of
from chassis.http.strict_json import StrictJsonRoute

PROBLEM = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
PROBLEM.pop("$defs")  # the answers' schemas bring them
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "Which failure it is, `code` says.",
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }
    for status in (400, 401, 403, 413, 422, 429, 502, 503, 504)
}
ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": Completion}}
EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"enum": ["meta", "delta", "done", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`meta`, then `delta` events, then one `done` or `error`.",
        "content": {"text/event-stream": {"itemSchema": EVENT}},
    },
}
RESUMABLE = EVENTS | {
    204: {"description": "There is nothing to resume; an `EventSource` stops."},
}

NAMED = in_openapi(required=True, more=[call_key.IN_OPENAPI])
RESUMED = in_openapi(required=True, more=[call_key.IN_OPENAPI, LAST_EVENT_ID])
RESUMED_OR_QUERY = in_openapi(required=False, more=[call_key.IN_OPENAPI, LAST_EVENT_ID])
UNNAMED = in_openapi(required=True)
Month = Annotated[str, Query(pattern=MONTH, description="of UTC; this one")]

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES, route_class=StrictJsonRoute)


@router.post(
    "/complete", openapi_extra=NAMED, responses=ANSWER, response_class=Response, status_code=200
)
async def complete(
    request: Request, body: CompletionRequest, project: Project, state: State
) -> Response:
    """One answer, as JSON."""
    return await completed(request, body, project, state)


@router.post(
    "/stream",
    openapi_extra=RESUMED,
    responses=RESUMABLE,
    response_class=SseResponse,
    status_code=200,
)
async def stream(events: OpenedByBody) -> SseResponse:
    """The answer as Server-Sent Events: `meta`, `delta`…, then `done` or `error`."""
    return SseResponse(events)


@router.get(
    "/stream",
    openapi_extra=RESUMED_OR_QUERY,
    responses=RESUMABLE,
    response_class=SseResponse,
    status_code=200,
)
async def stream_for_event_source(events: OpenedByQuery) -> SseResponse:
    """The same for a browser's `EventSource` and for `curl -N`."""
    return SseResponse(events)


@router.post("/stream-ticket", openapi_extra=RESUMED)
async def stream_ticket(
    request: Request, body: CompletionRequest, project: Project, state: State
) -> Ticket:
    """A ticket for an `EventSource`: one stream of this body, as POST /llm/stream gives it."""
    return Ticket(
        ticket=await state.tickets.issue(grant(request, body, project, last_seen(request))),
        expires_in=LIFETIME_SECONDS,
    )


@router.get("/test", openapi_extra=UNNAMED)
async def test(
    request: Request, response: Response, project: Project, state: State
) -> SelfTestReport:
    """Makes one small real call and says, check by check, what it proved."""
    with state.admission.admitted():
        work = run_test(
            state,
            project,
            user_id=caller_of(request).user_id,
            trace=trace_of(request),
            version=request.app.version,
        )
        report = await run_until_disconnect(request, state.admission, work)
    response.headers["Server-Timing"] = timing_of(report.attempts)
    return report


@router.get("/models", openapi_extra=UNNAMED)
async def models(_: ReadableProject, state: State) -> ModelList:
    """The model aliases that the gateway serves."""
    settings = state.settings
    fallbacks = {alias_of(model) for model in settings.llm_fallback_models}
    return ModelList(
        models=[
            Model(
                id=alias,
                default=alias == alias_of(settings.llm_default_model),
                fallback=alias in fallbacks,
                thinking=alias in settings.thinking_aliases,
            )
            for alias in await state.gateway.models()
        ]
    )


@router.get("/usage", openapi_extra=UNNAMED)
async def usage(project: ReadableProject, state: State, month: Month | None = None) -> UsageReport:
    """What the gateway has booked on the project in a month: calls, tokens and cost."""
    month = month or this_month()
    return usage_report(project, month, await booked_month(state.gateway, month, project))
