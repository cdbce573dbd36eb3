"""`GET /llm/test`: one small real call, and check by check what it proved."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from api.app_state import AppState
from api.errors import (
    AttributionUnproven,
    GatewayError,
    GatewayKeyRejected,
    GatewayUnavailable,
    ModelNotAllowed,
    UpstreamFailed,
)
from api.langfuse.trace_reader import TraceReader, TraceUnknown
from api.routes.reports import Check, SelfTestReport
from api.schemas import Completion
from chassis.errors import ServiceError
from chassis.project_id import ProjectId
from chassis.trace_context import Trace

PROMPT = "Reply with the one word: ready"
MAX_TOKENS = 16

BEFORE_THE_ANSWER: list[tuple[str, type[GatewayError], str]] = [
    ("gateway_reachable", GatewayUnavailable, "the gateway took the connection"),
    ("key_accepted", GatewayKeyRejected, "the gateway accepted this service's key"),
    ("model_routed", ModelNotAllowed, "the gateway routes the model"),
]


async def run_test(
    state: AppState, project_id: ProjectId, *, user_id: str | None, trace: Trace, version: str
) -> SelfTestReport:
    """What one small call through `complete()` found out, and its trace in Langfuse.

    Args:
        version: of this service.

    Raises:
        ServiceError: a check failed; the list of checks is in `extra["checks"]`.
    """
    who: dict[str, Any] = {"replica": socket.gethostname(), "version": version}
    try:
        answer = await state.llm.complete(
            PROMPT,
            project_id=project_id,
            solution=state.settings.solution,
            max_tokens=MAX_TOKENS,
            user_id=user_id,
            trace=trace,
        )
    except GatewayError as error:
        error.extra |= who | {"checks": dumped(checks_of_failure(error))}
        raise
    checks = [Check(check=name, ok=True, detail=good) for name, _, good in BEFORE_THE_ANSWER]
    is_answered = answered(answer)
    is_attributed, who["trace_url"] = await asyncio.gather(
        attributed(answer, project_id, state.trace_reader), url_of(answer, state.trace_reader)
    )
    checks += [is_answered, is_attributed]
    failed: ServiceError | None = None
    if is_answered.ok is False:
        failed = UpstreamFailed("the test call was answered, but not as it should be")
    elif is_attributed.ok is False or (state.trace_reader and not is_attributed.ok):
        failed = AttributionUnproven(is_attributed.detail)
    if failed is not None:
        failed.extra |= who | {"checks": dumped(checks), "attempts": dumped(answer.attempts)}
        raise failed
    return SelfTestReport(ok=True, checks=checks, **who, **answer.model_dump(include=REPORTED))


REPORTED = set(SelfTestReport.model_fields) & set(Completion.model_fields)


def checks_of_failure(error: GatewayError) -> list[Check]:
    """The checks in their order: true up to the one that failed, unknown after it."""
    checks: list[Check] = []
    verdict: bool | None = True
    for name, kind, good in BEFORE_THE_ANSWER:
        if isinstance(error, kind):
            checks.append(Check(check=name, ok=False, detail=error.detail))
            verdict = None
            continue
        checks.append(Check(check=name, ok=verdict, detail=good if verdict else "not known"))
        if not error.is_gateways_word:
            verdict = None
    failed_before = any(check.ok is False for check in checks)
    detail = "not reached" if failed_before else error.detail
    checks.append(Check(check="answered", ok=None if failed_before else False, detail=detail))
    checks.append(Check(check="attributed", ok=None, detail="not reached"))
    return checks


def answered(answer: Completion) -> Check:
    tried = ", ".join(f"{attempt.model}: {attempt.outcome}" for attempt in answer.attempts)
    by = (answer.ending and answer.ending.answered_by) or "a model that the gateway does not name"
    detail = f"{answer.status}, by {by} ({tried})"
    as_configured = answer.status != "empty" and answer.model == answer.requested_model
    return Check(check="answered", ok=as_configured, detail=detail)


async def attributed(
    answer: Completion, project_id: ProjectId, reader: TraceReader | None
) -> Check:
    """Whether the gateway says that it books the call on our project, and Langfuse has it there."""
    said = attributed_by_gateway(answer, project_id)
    if said.ok is False or reader is None:
        return said
    try:
        generations = await reader.generations(answer.trace_id)
    except TraceUnknown as error:
        return Check(check="attributed", ok=None, detail=f"{said.detail}; {error}")
    booked_on = [generation.projects for generation in generations]
    names = ", ".join(sorted(set().union(*booked_on))) or "nobody"
    how_many = "1 generation" if len(booked_on) == 1 else f"{len(booked_on)} generations"
    return Check(
        check="attributed",
        ok=all(projects == {project_id} for projects in booked_on),
        detail=f"{said.detail}; Langfuse has {how_many}, booked on {names}",
    )


def attributed_by_gateway(answer: Completion, project_id: ProjectId) -> Check:
    booked_on = answer.ending and answer.ending.booked_on
    if booked_on is None:
        return Check(
            check="attributed", ok=None, detail="this gateway does not say what it books a call on"
        )
    return Check(
        check="attributed",
        ok=booked_on == project_id,
        detail=f"the gateway books the call on {booked_on}",
    )


async def url_of(answer: Completion, reader: TraceReader | None) -> str | None:
    """Where the trace can be looked at, if anybody knows."""
    if reader is None:
        return None
    try:
        return await reader.url(answer.trace_id)
    except TraceUnknown:
        return None


def dumped(models: Sequence[BaseModel]) -> list[dict[str, Any]]:
    return [model.model_dump() for model in models]
