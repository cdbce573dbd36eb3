"""What is written of each event: the columns of the platform's audit events."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runtime_mcp.audit.events import NewEvent, Outcome, Phase

Row = dict[str, Any]
SERVICE = "em-runtime-mcp"
KEPT = (
    "org_id", "actor_id", "actor_type", "action", "resource_type", "resource_id", "project_id",
    "trace_id", "allowlist_revision",
)  # fmt: skip
"""What an outcome has of its intent, where the call itself is not known any more."""


def intent_row(event: NewEvent) -> Row:
    return row_of(event, "intent")


def denied_row(event: NewEvent, reason: str, detail: str) -> Row:
    return row_of(event, "denied", reason=reason, detail=detail)


def outcome_row(intent: str, event: NewEvent, outcome: Outcome) -> Row:
    said = {
        "status": outcome.status,
        "error": outcome.error,
        "result_bytes": outcome.result_bytes,
        "result_hash": outcome.result_hash,
        "duration_ms": outcome.duration_ms,
    }
    if outcome.result is not None:
        said["result"] = outcome.result
    return row_of(event, "outcome", **said) | {"intent_id": intent}


def unknown_row(intent: Row) -> Row:
    """The outcome of an intent whose gateway ended before it could say how the call went."""
    return end_of(intent, "unknown", status="unknown", error="gateway_ended")


def not_made_row(intent: Row) -> Row:
    """The outcome of an intent whose caller had gone, or was refused, when it was committed."""
    return end_of(intent, "outcome", status="failed", error="not_made")


def end_of(intent: Row, phase: Phase, **details: Any) -> Row:
    kept = {name: intent[name] for name in KEPT}
    return kept | {"intent_id": intent["id"], "phase": phase, "details": details}


def record_row(phase: Phase, details: Mapping[str, Any]) -> Row:
    """An event of the record itself, that belongs to no organisation."""
    return {
        "org_id": "",
        "actor_id": SERVICE,
        "actor_type": "system",
        "action": f"audit.{phase}",
        "resource_type": "audit",
        "resource_id": SERVICE,
        "project_id": None,
        "trace_id": None,
        "allowlist_revision": None,
        "intent_id": None,
        "phase": phase,
        "details": dict(details),
    }


def row_of(event: NewEvent, phase: Phase, **said: Any) -> Row:
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
        "action": "tool.call",
        "resource_type": "tool",
        "resource_id": event.tool,
        "project_id": event.project_id,
        "trace_id": event.trace_id,
        "allowlist_revision": event.allowlist_revision,
        "intent_id": None,
        "phase": phase,
        "details": details,
    }


def stamp(pod: str) -> Row:
    """What every event has that is written now, here."""
    return {
        "id": secrets.token_hex(16),
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
        "source_service": SERVICE,
        "source_pod": pod,
    }
