"""Every `/llm` route; what they do is done elsewhere."""

from typing import Any

from fastapi import APIRouter, Request

from api.llm import alias_of
from api.project import Project
from api.schemas import Completion, CompletionRequest, Model, ModelList, Problem, TestReport
from api.selftest import run_test
from api.state import Admitted, GatewayHere, LlmHere, SettingsHere, TraceHere
from api.streaming import EventStream, OpenedByBody, OpenedByQuery, unless_client_leaves

FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 413, 422, 429, 502, 503, 504)
}
EVENTS: dict[int | str, dict[str, Any]] = FAILURES | {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
}

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


@router.post("/complete", dependencies=[Admitted])
async def complete(
    request: Request,
    body: CompletionRequest,
    project: Project,
    llm: LlmHere,
    settings: SettingsHere,
    trace: TraceHere,
) -> Completion:
    """One answer, as JSON."""
    work = llm.complete(
        body.question(),
        project_id=project,
        solution=settings.solution,
        trace=trace,
        **body.options(),
    )
    return (await unless_client_leaves(request, work)).result()


@router.post("/stream", dependencies=[Admitted], responses=EVENTS, response_class=EventStream)
async def stream(events: OpenedByBody, trace: TraceHere) -> EventStream:
    """The answer as Server-Sent Events: `meta`, `delta`…, then `done` or `error`."""
    return EventStream(events, trace)


@router.get("/stream", dependencies=[Admitted], responses=EVENTS, response_class=EventStream)
async def stream_for_event_source(events: OpenedByQuery, trace: TraceHere) -> EventStream:
    """The same for a browser's `EventSource` and for `curl -N`."""
    return EventStream(events, trace)


@router.get("/test", dependencies=[Admitted])
async def test(
    request: Request, project: Project, llm: LlmHere, settings: SettingsHere, trace: TraceHere
) -> TestReport:
    """Makes one small real call and says, check by check, what it proved."""
    work = run_test(llm, project, settings.solution, trace)
    return (await unless_client_leaves(request, work)).result()


@router.get("/models")
async def models(_: Project, gateway: GatewayHere, settings: SettingsHere) -> ModelList:
    """The model aliases that the gateway serves."""
    fallbacks = {alias_of(model) for model in settings.llm_fallback_models}
    return ModelList(
        models=[
            Model(
                id=alias,
                default=alias == alias_of(settings.llm_default_model),
                fallback=alias in fallbacks,
                thinking=alias in settings.thinking_aliases,
            )
            for alias in await gateway.models()
        ]
    )
