"""`GET /llm/test`: one small real call, and check by check what it proved."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.app_state import State
from api.errors import (
    AttributionUnproven,
    GatewayError,
    GatewayKeyRejected,
    GatewayUnavailable,
    ModelNotAllowed,
    UpstreamFailed,
)
from api.llm.observers import CallRecord
from api.project import BoundLlm, ProjectLlm
from api.routes.json_answer import timing_of
from api.routes.openapi import FAILURES, UNNAMED
from api.schemas import AttemptReport, Completion
from api.trace_proof import TraceProof, TraceUnknown
from chassis.errors import ServiceError
from chassis.project_id import ProjectId

PROMPT = "Reply with the one word: ready"
MAX_TOKENS = 16

BEFORE_THE_ANSWER: list[tuple[str, type[GatewayError], str]] = [
    ("gateway_reachable", GatewayUnavailable, "the gateway took the connection"),
    ("key_accepted", GatewayKeyRejected, "the gateway accepted this service's key"),
    ("model_routed", ModelNotAllowed, "the gateway routes the model"),
]


router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


class Check(BaseModel):
    check: str
    ok: bool | None = Field(description="null: could not be found out")
    detail: str


class SelfTestReport(BaseModel):
    """What `GET /llm/test` found out with one small call."""

    ok: bool
    checks: list[Check]
    model: str
    cost_usd: float | None
    project_id: str
    solution: str
    request_id: str
    trace_id: str
    trace_url: str | None = Field(description="where the trace can be looked at; null: not known")
    replica: str = Field(description="the host name of the process that answered")
    version: str = Field(description="of this service")
    attempts: list[AttemptReport]


@router.get("/test", openapi_extra=UNNAMED)
async def test(
    request: Request, response: Response, llm: ProjectLlm, state: State
) -> SelfTestReport:
    """Makes one small real call and says, check by check, what it proved."""
    report = await run_test(llm, state.trace_proof, version=request.app.version)
    response.headers["Server-Timing"] = timing_of(report.attempts)
    return report


async def run_test(llm: BoundLlm, proof: TraceProof | None, *, version: str) -> SelfTestReport:
    """What one small call found out, and its trace.

    Args:
        proof: reads the trace back, where anybody can.
        version: of this service.

    Raises:
        ServiceError: a check failed; the list of checks is in `extra["checks"]`.
    """
    who: dict[str, Any] = {"replica": socket.gethostname(), "version": version}
    try:
        answer, record = await llm.answer(PROMPT, max_tokens=MAX_TOKENS)
    except GatewayError as error:
        error.extra |= who | {"checks": dumped(checks_of_failure(error))}
        raise
    return await llm.while_connected(report_of(answer, record, llm.project_id, proof, who))


async def report_of(
    answer: Completion,
    record: CallRecord,
    project_id: ProjectId,
    proof: TraceProof | None,
    who: dict[str, Any],
) -> SelfTestReport:
    """
    Raises:
        UpstreamFailed, AttributionUnproven: see `run_test`.
    """
    checks = [Check(check=name, ok=True, detail=good) for name, _, good in BEFORE_THE_ANSWER]
    is_answered = answered(answer, record)
    is_attributed, who["trace_url"] = await asyncio.gather(
        attributed(record, project_id, proof), url_of(answer, proof)
    )
    checks += [is_answered, is_attributed]
    failed: ServiceError | None = None
    if is_answered.ok is False:
        failed = UpstreamFailed("the test call was answered, but not as it should be")
    elif is_attributed.ok is False or (proof and not is_attributed.ok):
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


def answered(answer: Completion, record: CallRecord) -> Check:
    tried = ", ".join(f"{attempt.model}: {attempt.outcome}" for attempt in answer.attempts)
    by = (record.ending and record.ending.answered_by) or "a model that the gateway does not name"
    detail = f"{answer.status}, by {by} ({tried})"
    as_configured = answer.status != "empty" and answer.model == answer.requested_model
    return Check(check="answered", ok=as_configured, detail=detail)


async def attributed(record: CallRecord, project_id: ProjectId, proof: TraceProof | None) -> Check:
    """Whether the gateway says that it books the call on our project, and its trace says so too."""
    said = attributed_by_gateway(record, project_id)
    if said.ok is False or proof is None:
        return said
    try:
        booked_on = await proof.projects(record.call.trace.trace_id)
    except TraceUnknown as error:
        return Check(check="attributed", ok=None, detail=f"{said.detail}; {error}")
    names = ", ".join(sorted(set().union(*booked_on))) or "nobody"
    how_many = "1 generation" if len(booked_on) == 1 else f"{len(booked_on)} generations"
    return Check(
        check="attributed",
        ok=all(set(projects) == {project_id} for projects in booked_on),
        detail=f"{said.detail}; Langfuse has {how_many}, booked on {names}",
    )


def attributed_by_gateway(record: CallRecord, project_id: ProjectId) -> Check:
    booked_on = record.ending and record.ending.booked_on
    if booked_on is None:
        return Check(
            check="attributed", ok=None, detail="this gateway does not say what it books a call on"
        )
    return Check(
        check="attributed",
        ok=booked_on == project_id,
        detail=f"the gateway books the call on {booked_on}",
    )


async def url_of(answer: Completion, proof: TraceProof | None) -> str | None:
    """Where the trace can be looked at, if anybody knows."""
    if proof is None:
        return None
    try:
        return await proof.url(answer.trace_id)
    except TraceUnknown:
        return None


def dumped(models: Sequence[BaseModel]) -> list[dict[str, Any]]:
    return [model.model_dump() for model in models]
