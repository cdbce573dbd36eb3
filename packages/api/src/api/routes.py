"""Every `/llm` route; what they do is done elsewhere."""

from typing import Any

from fastapi import APIRouter, Request

from api.event_stream import EventStream
from api.project import IN_OPENAPI, IN_OPENAPI_OR_QUERY, Project
from api.question import alias_of
from api.reports import Model, ModelList, SelfTestReport
from api.schemas import Completion, CompletionRequest, Problem
from api.selftest import run_test
from api.state import Here, trace_of
from api.streaming import OpenedByBody, OpenedByQuery
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
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`meta`, then `delta` events, then one `done` or `error`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}
TO_EVENT_SOURCE = EVENTS | {
    204: {"description": "An `EventSource` reconnects, and is told to stop."},
}

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


@router.post("/complete", openapi_extra=IN_OPENAPI)
async def complete(
    request: Request, body: CompletionRequest, project: Project, here: Here
) -> Completion:
    """One answer, as JSON."""
    with here.admission.admitted():
        work = here.llm.complete(
            body.question(),
            project_id=project,
            solution=here.settings.solution,
            trace=trace_of(request),
            **body.options(),
        )
        return await while_wanted(request, here.admission, work)


@router.post(
    "/stream",
    openapi_extra=IN_OPENAPI,
    responses=EVENTS,
    response_class=EventStream,
    status_code=200,
)
async def stream(request: Request, events: OpenedByBody, here: Here) -> EventStream:
    """The answer as Server-Sent Events: `meta`, `delta`…, then `done` or `error`."""
    return EventStream(events, trace_of(request), here.admission)


@router.get(
    "/stream",
    openapi_extra=IN_OPENAPI_OR_QUERY,
    responses=TO_EVENT_SOURCE,
    response_class=EventStream,
    status_code=200,
)
async def stream_for_event_source(
    request: Request, events: OpenedByQuery, here: Here
) -> EventStream:
    """The same for a browser's `EventSource` and for `curl -N`."""
    return EventStream(events, trace_of(request), here.admission)


@router.get("/test", openapi_extra=IN_OPENAPI)
async def test(request: Request, project: Project, here: Here) -> SelfTestReport:
    """Makes one small real call and says, check by check, what it proved."""
    with here.admission.admitted():
        work = run_test(here.llm, project, here.settings.solution, trace_of(request))
        return await while_wanted(request, here.admission, work)


@router.get("/models", openapi_extra=IN_OPENAPI)
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
