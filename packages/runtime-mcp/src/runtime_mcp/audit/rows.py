"""What is written of each event: the columns of the platform's audit events."""

import secrets
from datetime import UTC, datetime
from typing import Any

from runtime_mcp.audit.events import NewEvent, Outcome

Row = dict[str, Any]
KEPT = (
    "org_id", "actor_id", "actor_type", "resource_id", "project_id", "trace_id",
    "allowlist_revision",
)  # fmt: skip
"""What an outcome has of its intent, where the call itself is not known any more."""


def intent_row(event: NewEvent) -> Row:
    return row_of(event, phase="intent")


def denied_row(event: NewEvent, reason: str, detail: str) -> Row:
    return row_of(event, phase="denied", reason=reason, detail=detail)


def outcome_row(intent: str, event: NewEvent, outcome: Outcome) -> Row:
    said = {
        "phase": "outcome",
        "status": outcome.status,
        "error": outcome.error,
        "result_bytes": outcome.result_bytes,
        "result_hash": outcome.result_hash,
        "duration_ms": outcome.duration_ms,
    }
    if outcome.result is not None:
        said["result"] = outcome.result
    return row_of(event, **said) | {"intent_id": intent}


def unknown_row(intent: Row) -> Row:
    """The outcome of an intent whose gateway ended before it could say how the call went."""
    details = {"phase": "outcome", "status": "unknown", "error": "gateway_ended"}
    return {name: intent[name] for name in KEPT} | {"intent_id": intent["id"], "details": details}


def row_of(event: NewEvent, **said: Any) -> Row:
    details = {
        "arguments_bytes": event.arguments_bytes,
        "arguments_hash": event.arguments_hash,
        "tool_fingerprint": event.tool_fingerprint,
        **said,
    }
    if event.arguments is not None:
        details["arguments"] = event.arguments
    return {
        "org_id": event.org_id,
        "actor_id": event.actor_id,
        "actor_type": event.actor_type,
        "resource_id": event.tool,
        "project_id": event.project_id,
        "trace_id": event.trace_id,
        "allowlist_revision": event.allowlist_revision,
        "intent_id": None,
        "details": details,
    }


def stamp(pod: str) -> Row:
    """What every event has that is written now, here."""
    return {
        "id": secrets.token_hex(16),
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
        "action": "tool.call",
        "resource_type": "tool",
        "source_service": "em-runtime-mcp",
        "source_pod": pod,
    }
