"""Where the spans of tool calls go, as the settings say: to a collector, or nowhere."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from chassis.telemetry.metrics import Export
from runtime_mcp.settings import Settings
from runtime_mcp.tools.call_record import ToolCallRecord


class ToolCallExport(Export, Protocol):
    """Sends what it is told of tool calls to a receiver of traces."""

    def ended(self, call: ToolCallRecord) -> None:
        """A call is over."""
        ...


@asynccontextmanager
async def spans_of_calls(settings: Settings) -> AsyncGenerator[ToolCallExport | None]:
    """The export of the spans; None where they are not wanted."""
    if not settings.has_collector:
        yield None
        return
    from chassis.telemetry.export import SpanExport
    from chassis.telemetry.otlp import to_collector
    from runtime_mcp.tools.spans import ToolSpans

    to_spans = ToolSpans(settings.otel_service_name, settings.otel_trace_sample_rate)
    async with SpanExport("collector", to_spans, to_collector(settings)) as export:
        yield export
