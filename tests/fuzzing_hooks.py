"""What schemathesis cannot know of a valid request, because no schema can say it."""

import uuid
from typing import Any

import schemathesis
from schemathesis import Case, HookContext


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, object]) -> None:  # noqa: ARG001
    """A key is not given twice with another body, one project is named, both ways the same, and a
    query has a prompt or a ticket.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.label == "GET /llm/stream" and "ticket" not in case.query:
        case.query.setdefault("prompt", "Hello")
    name = uuid.uuid4().hex
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = name
    if "idempotency_key" in case.query:
        case.query["idempotency_key"] = name
    if "project_id" in case.query:
        case.headers["X-Project-ID"] = case.query["project_id"]
    else:
        case.headers.setdefault("X-Project-ID", "demo")
