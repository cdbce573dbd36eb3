"""Every `/llm` route; what they do is done elsewhere."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api import call_key
from api.completing import completed, timing_of
from api.event_stream import EventStream
from api.project import Project, in_openapi
from api.question import alias_of
from api.reports import Model, ModelList, SelfTestReport
from api.schemas import Completion, CompletionRequest, Problem
from api.selftest import run_test
from api.state import Here, trace_of
from api.streaming import LAST_EVENT_ID, OpenedByBody, OpenedByQuery
from api.waiting import while_wanted

PROBLEM = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
PROBLEM.pop("$defs")  # the answers' schemas bring them
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "Which failure it is, `code` says.",
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }
    for status in (400, 413, 422, 429, 502, 503, 504)
}
ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": Completion}}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`meta`, then `delta` events, then one `done` or `error`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}
RESUMABLE = EVENTS | {
    204: {"description": "There is nothing to resume; an `EventSource` stops."},
}

NAMED = in_openapi(required=True, more=[call_key.IN_OPENAPI])
RESUMED = in_openapi(required=True, more=[call_key.IN_OPENAPI, LAST_EVENT_ID])
RESUMED_OR_QUERY = in_openapi(required=False, more=[call_key.IN_OPENAPI, LAST_EVENT_ID])
UNNAMED = in_openapi(required=True)

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


@router.post(
    "/complete", openapi_extra=NAMED, responses=ANSWER, response_class=Response, status_code=200
)
async def complete(
    request: Request, body: CompletionRequest, project: Project, here: Here
) -> Response:
    """One answer, as JSON."""
    return await completed(request, body, project, here)


@router.post(
    "/stream",
    openapi_extra=RESUMED,
    responses=RESUMABLE,
    response_class=EventStream,
    status_code=200,
)
async def stream(events: OpenedByBody) -> EventStream:
    """The answer as Server-Sent Events: `meta`, `delta`…, then `done` or `error`."""
    return EventStream(events)


@router.get(
    "/stream",
    openapi_extra=RESUMED_OR_QUERY,
    responses=RESUMABLE,
    response_class=EventStream,
    status_code=200,
)
async def stream_for_event_source(events: OpenedByQuery) -> EventStream:
    """The same for a browser's `EventSource` and for `curl -N`."""
    return EventStream(events)


@router.get("/test", openapi_extra=UNNAMED)
async def test(
    request: Request, response: Response, project: Project, here: Here
) -> SelfTestReport:
    """Makes one small real call and says, check by check, what it proved."""
    with here.admission.admitted():
        work = run_test(here.llm, project, here.settings.solution, trace_of(request))
        report = await while_wanted(request, here.admission, work)
    response.headers["Server-Timing"] = timing_of(report.attempts)
    return report


@router.get("/models", openapi_extra=UNNAMED)
async def models(_: Project, here: Here) -> ModelList:
    """The model aliases that the gateway serves."""
    settings = here.settings
    fallbacks = {alias_of(model) for model in settings.llm_fallback_models}
    return ModelList(
        models=[
            Model(
                id=alias,
                default=alias == alias_of(settings.llm_default_model),
                fallback=alias in fallbacks,
                thinking=alias in settings.thinking_aliases,
            )
            for alias in await here.gateway.models()
        ]
    )
