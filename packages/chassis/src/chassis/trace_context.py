"""The W3C trace a call belongs to: the caller's, continued, or a new one."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Self

SHARED_OF = 1 << 56
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Trace:
    """One request's place in a trace, and the id it is known by in logs and answers."""

    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    parent_id: str | None = None
    """The caller's span, where it said so."""
    flags: str = "01"
    request_id: str = field(default_factory=lambda: secrets.token_hex(16))

    @classmethod
    def from_headers(cls, traceparent: str | None, request_id: str | None) -> Self:
        """The trace of a request with these headers; what is not valid is replaced.

        Source: W3C Trace Context, level 1: an id of zeros only is not valid.
        """
        kept: dict[str, str] = {}
        if request_id is not None and REQUEST_ID.fullmatch(request_id):
            kept["request_id"] = request_id
        match = TRACEPARENT.fullmatch(traceparent or "")
        if match and match[1].strip("0") and match[2].strip("0"):
            kept |= {"trace_id": match[1], "parent_id": match[2], "flags": match[3]}
        return cls(**kept)

    @property
    def traceparent(self) -> str:
        """The header that makes the gateway's span a child of ours."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


class TraceShare:
    """A share of the traces; decided by the trace id, so that all services that see it decide
    alike (OpenTelemetry's `TraceIdRatioBased`).

    Args:
        share: from 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self._bound = round(share * SHARED_OF)

    def takes(self, trace_id: str) -> bool:
        """Whether this trace is in it."""
        return int(trace_id[-14:], 16) < self._bound
