"""What one small call proves, check by check: for `GET /llm/test`, and for the doctor."""

from collections.abc import Collection
from typing import Protocol

from pydantic import BaseModel, Field

from api.errors import GatewayError, GatewayKeyRejected, GatewayUnavailable, ModelNotAllowed
from api.llm.observers import CallRecord

BEFORE_THE_ANSWER: list[tuple[str, type[GatewayError], str]] = [
    ("gateway_reachable", GatewayUnavailable, "the gateway took the connection"),
    ("key_accepted", GatewayKeyRejected, "the gateway accepted this service's key"),
    ("model_routed", ModelNotAllowed, "the gateway routes the model"),
]


class TraceUnknown(Exception):
    """Nobody can say; the message says why, and is fit for a caller."""


class TraceProof(Protocol):
    """Reads traces back."""

    async def projects(self, trace_id: str) -> list[Collection[str]]:
        """For each generation of this trace, the projects that it is booked on; at least one.

        Raises:
            TraceUnknown: none has arrived in time, or nobody can be asked.
        """
        ...

    async def url(self, trace_id: str) -> str:
        """Where a person looks at this trace.

        Raises:
            TraceUnknown: it is not known.
        """
        ...


class Check(BaseModel):
    check: str
    ok: bool | None = Field(description="null: could not be found out")
    detail: str


def checks_before_the_answer() -> list[Check]:
    """What is proved by any answer."""
    return [Check(check=name, ok=True, detail=good) for name, _, good in BEFORE_THE_ANSWER]


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


def answered(record: CallRecord) -> Check:
    """Whether the call was answered with a text, by the model that was asked for."""
    tried = ", ".join(f"{attempt.model}: {attempt.outcome}" for attempt in record.attempts)
    by = (record.ending and record.ending.answered_by) or "a model that the gateway does not name"
    is_the_model = record.request is not None and record.request.alias == record.call.models[0]
    return Check(
        check="answered",
        ok=record.outcome != "empty" and is_the_model,
        detail=f"{record.outcome}, by {by} ({tried})",
    )


async def attributed(record: CallRecord, proof: TraceProof | None) -> Check:
    """Whether the gateway says that it books the call on our project, and its trace says so too.

    Args:
        proof: reads the trace back, where anybody can.
    """
    project_id = record.call.attribution.project_id
    said = attributed_by_gateway(record)
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


def attributed_by_gateway(record: CallRecord) -> Check:
    booked_on = record.ending and record.ending.booked_on
    if booked_on is None:
        return Check(
            check="attributed", ok=None, detail="this gateway does not say what it books a call on"
        )
    return Check(
        check="attributed",
        ok=booked_on == record.call.attribution.project_id,
        detail=f"the gateway books the call on {booked_on}",
    )
