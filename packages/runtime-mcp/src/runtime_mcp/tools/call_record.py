"""One tool call when it is over: metrics and spans read this."""

from dataclasses import dataclass

from chassis.trace_context import Trace
from runtime_mcp.audit.events import NewEvent

CALL_BYTES = 1000


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
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
        """See `FinishedCall.size`."""
        return CALL_BYTES
