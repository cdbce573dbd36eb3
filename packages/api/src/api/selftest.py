"""`GET /llm/test`: one small real call, and check by check what it proved."""

from api.attribution import ProjectId, Solution
from api.errors import (
    GatewayError,
    GatewayKeyRejected,
    GatewayUnavailable,
    ModelNotAllowed,
    UpstreamFailed,
)
from api.llm import Llm
from api.reports import Check, SelfTestReport
from api.schemas import Completion
from api.tracing import Trace

PROMPT = "Reply with the one word: ready"
MAX_TOKENS = 16

BEFORE_THE_ANSWER: list[tuple[str, type[GatewayError], str]] = [
    ("gateway_reachable", GatewayUnavailable, "the gateway took the connection"),
    ("key_accepted", GatewayKeyRejected, "the gateway accepted this service's key"),
    ("model_routed", ModelNotAllowed, "the gateway routes the model"),
]


async def run_test(
    llm: Llm, project_id: ProjectId, solution: Solution, trace: Trace
) -> SelfTestReport:
    """What one small call through `complete()` found out.

    Raises:
        GatewayError: a check failed; the list of checks is in `extra["checks"]`.
    """
    try:
        answer = await llm.complete(
            PROMPT, project_id=project_id, solution=solution, max_tokens=MAX_TOKENS, trace=trace
        )
    except GatewayError as error:
        error.extra["checks"] = [check.model_dump() for check in checks_of_failure(error)]
        raise
    checks = [Check(check=name, ok=True, detail=good) for name, _, good in BEFORE_THE_ANSWER]
    checks += [answered(answer), attributed(answer, project_id)]
    if any(check.ok is False for check in checks):
        failed = UpstreamFailed("the test call was answered, but a check failed")
        failed.extra["checks"] = [check.model_dump() for check in checks]
        failed.extra["attempts"] = [attempt.model_dump() for attempt in answer.attempts]
        raise failed
    return SelfTestReport(ok=True, checks=checks, **answer.model_dump(include=REPORTED))


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


def attributed(answer: Completion, project_id: ProjectId) -> Check:
    """Whether the gateway says that it books the call on our project."""
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
