"""What is recorded of a call, and the row it becomes: the columns of the platform's events."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Row = dict[str, Any]
SERVICE = "em-runtime-mcp"
KEPT = (
    "org_id", "actor_id", "actor_type", "action", "resource_type", "resource_id", "project_id",
    "trace_id", "allowlist_revision",
)  # fmt: skip
"""What an outcome has of its intent, where the call itself is not known any more."""
Status = Literal["succeeded", "failed"]
Phase = Literal["intent", "denied", "outcome", "unknown", "started", "anchored", "retained"]
"""`unknown`: the outcome of a call whose gateway ended. The last three are of the record itself."""


class AuditUnavailable(Exception):
    """The database does not take events now; what was not recorded is not called."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A call that is about to be made, or refused.

    Attributes:
        arguments_bytes, arguments_hash: of their canonical JSON; SHA-256, in hex.
        arguments: the canonical JSON itself; None unless content is kept.
    """

    org_id: str
    actor_id: str
    actor_type: str
    project_id: str | None
    tool: str
    trace_id: str
    arguments_bytes: int
    arguments_hash: str
    allowlist_revision: str
    tool_fingerprint: str | None
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        error: why it failed, as a short code.
        result: the JSON of the result; None unless content is kept.
    """

    status: Status
    error: str | None = None
    result_bytes: int = 0
    result_hash: str | None = None
    duration_ms: float = 0.0
    result: str | None = None


@dataclass(eq=False, slots=True)
class PendingEvent:
    """An event on its way into the record, and who waits for it.

    Attributes:
        is_owed: it is written whenever that will be possible, for the call was made.
        is_taken: it does not wait any more.
    """

    row: Row
    done: "asyncio.Future[None]"
    is_owed: bool
    is_taken: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be written: who gave up was told that nothing was recorded."""
        return not self.done.done()

    @property
    def is_committed(self) -> bool:
        """Whether it is known to be in the record."""
        return self.done.done() and not self.done.cancelled() and self.done.exception() is None

    def fail(self, error: Exception) -> None:
        """Tells its caller that it will never be in the record."""
        if not self.done.done():
            self.done.set_exception(AuditUnavailable(type(error).__name__))
            self.done.exception()

    def forget(self) -> None:
        """What will not be written takes no memory while it waits."""
        if not self.is_wanted and not self.is_taken:
            self.row = {}


def intent_row(event: NewEvent) -> Row:
    return row_of(event, "intent")


def denied_row(event: NewEvent, reason: str, detail: str) -> Row:
    return row_of(event, "denied", reason=reason, detail=detail)


def outcome_row(intent: str, event: NewEvent, outcome: Outcome) -> Row:
    details = asdict(outcome)
    if outcome.result is None:
        del details["result"]
    return row_of(event, "outcome", **details) | {"intent_id": intent}


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
    return dict.fromkeys(("project_id", "trace_id", "allowlist_revision", "intent_id")) | {
        "org_id": "",
        "actor_id": SERVICE,
        "actor_type": "system",
        "action": f"audit.{phase}",
        "resource_type": "audit",
        "resource_id": SERVICE,
        "phase": phase,
        "details": dict(details),
    }


def row_of(event: NewEvent, phase: Phase, **more: Any) -> Row:
    details = {
        "arguments_bytes": event.arguments_bytes,
        "arguments_hash": event.arguments_hash,
        "tool_fingerprint": event.tool_fingerprint,
        **more,
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
