"""`GET /llm/test`: one small real call, and check by check what it proved."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.app_state import State
from api.errors import AttributionUnproven, GatewayError, UpstreamFailed
from api.llm.observers import CallRecord
from api.project import BoundLlm, ProjectLlm
from api.routes.json_answer import timing_of
from api.routes.openapi import FAILURES, UNNAMED
from api.schemas import AttemptReport, Completion
from api.self_test import (
    Check,
    TraceProof,
    TraceUnknown,
    answered,
    attributed,
    checks_before_the_answer,
    checks_of_failure,
)
from chassis.errors import ServiceError

PROMPT = "Reply with the one word: ready"
MAX_TOKENS = 16


router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


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
    return await llm.while_connected(report_of(answer, record, proof, who))


async def report_of(
    answer: Completion, record: CallRecord, proof: TraceProof | None, who: dict[str, Any]
) -> SelfTestReport:
    """
    Raises:
        UpstreamFailed, AttributionUnproven: see `run_test`.
    """
    is_answered = answered(record)
    is_attributed, who["trace_url"] = await asyncio.gather(
        attributed(record, proof), url_of(answer, proof)
    )
    checks = [*checks_before_the_answer(), is_answered, is_attributed]
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
