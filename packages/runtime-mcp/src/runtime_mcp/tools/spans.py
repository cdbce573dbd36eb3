"""A tool call as OpenTelemetry's conventions for MCP and generative AI name it.

Arguments and results are optional there, and not sent from here at all.
"""

from dataclasses import dataclass
from functools import lru_cache

from chassis.telemetry.spans import MOULDS, SERVER, NewSpan, mould, span
from chassis.trace_context import Trace, TraceShare
from runtime_mcp.audit.events import NewEvent

BYTES_OF_ONE = 1000


@dataclass(frozen=True, slots=True)
class ToolCallSeen:
    """A call that is over.

    Attributes:
        label: the tool, or one name for all that are not offered.
        outcome: `succeeded`, or why not.
        began: in seconds since the epoch.
    """

    event: NewEvent
    trace: Trace
    label: str
    outcome: str
    began: float
    seconds: float

    @property
    def size(self) -> int:
        """See `Seen.size`."""
        return BYTES_OF_ONE


class ToolSpans:
    """
    Args:
        share: of the traces, from 0 to 1; see `TraceShare`.
    """

    wants_text = False

    def __init__(self, share: float = 1.0) -> None:
        self._share = TraceShare(share)

    def __call__(self, call: ToolCallSeen, new: NewSpan) -> None:
        """Makes the span of a call that is over."""
        trace, event = call.trace, call.event
        if not self._share.takes(trace.trace_id):
            return
        span(
            new,
            mould_of(call.label, call.outcome),
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            parent_id=trace.parent_id,
            began=call.began,
            ended=call.began + call.seconds,
            attributes={
                "enduser.id": event.actor_id,
                "organisation.id": event.org_id,
                "project.id": event.project_id,
                "allowlist.revision": event.allowlist_revision,
                "request.id": trace.request_id,
            },
        )


@lru_cache(MOULDS)
def mould_of(tool: str, outcome: str) -> bytes:
    failure = None if outcome == "succeeded" else outcome
    return mould(
        f"tools/call {tool}",
        SERVER,
        {
            "mcp.method.name": "tools/call",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "error.type": failure,
        },
        failure=failure,
    )
