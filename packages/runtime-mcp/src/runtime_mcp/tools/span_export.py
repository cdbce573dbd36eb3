"""Where the spans of tool calls go, as the settings say: to a collector, or nowhere."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chassis.telemetry.export import SpanExport
from chassis.telemetry.otlp import resource, to_collector
from runtime_mcp.settings import Settings
from runtime_mcp.tools.spans import ToolCallSeen, ToolSpans


@asynccontextmanager
async def spans_of_calls(
    settings: Settings,
) -> AsyncGenerator[SpanExport[ToolCallSeen] | None]:
    """The export of the spans; None where they are not wanted."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None or not (settings.otel_enabled and settings.otel_traces_enabled):
        yield None
        return
    protocol, headers = settings.otel_exporter_otlp_protocol, settings.otel_exporter_otlp_headers
    to_spans = ToolSpans(settings.otel_trace_sample_rate)
    async with (
        to_collector(endpoint, protocol, headers) as send,
        SpanExport("collector", to_spans, send, resource(settings.otel_service_name)) as export,
    ):
        yield export
