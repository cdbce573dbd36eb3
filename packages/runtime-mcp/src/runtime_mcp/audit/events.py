"""What is recorded of a call. The names are those of the platform's audit events."""

from dataclasses import dataclass
from typing import Literal

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
