"""A tool call as OpenTelemetry's conventions for MCP and generative AI name it.

Arguments and results are optional there, and not sent from here at all.
"""

from opentelemetry.sdk.trace import ReadableSpan

from chassis.telemetry.spans import SERVER, SpanFactory
from chassis.trace_context import TraceShare
from runtime_mcp.tools.call_record import ToolCallRecord


class ToolSpans:
    """
    Args:
        service: what the spans say they come from.
        share: of the traces, from 0 to 1; see `TraceShare`.
    """

    wants_text = False

    def __init__(self, service: str, share: float = 1.0) -> None:
        self._spans = SpanFactory(service)
        self._share = TraceShare(share)

    def __call__(self, call: ToolCallRecord) -> list[ReadableSpan]:
        """See `ToSpans`."""
        if not self._share.takes(call.trace.trace_id):
            return []
        event = call.event
        failure = None if call.outcome == "succeeded" else call.outcome
        span = self._spans.span(
            SERVER,
            f"tools/call {call.label}",
            call.trace,
            began=call.began,
            seconds=call.seconds,
            failure=failure,
            attributes={
                "mcp.method.name": "tools/call",
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": call.label,
                "enduser.id": event.actor_id,
                "organisation.id": event.org_id,
                "project.id": event.project_id,
                "allowlist.revision": event.allowlist_revision,
                "request.id": call.trace.request_id,
                "error.type": failure,
            },
        )
        return [span]
