"""Who gets the spans of calls, as the settings say: Langfuse, and OpenTelemetry's collector."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from api.langfuse.ingestion import LANGFUSE_PATH, langfuse_headers
from api.langfuse.spans import LangfuseSpans
from api.llm.observers import CallRecord
from api.settings import Settings
from api.telemetry.call_spans import GenAiSpans
from chassis.telemetry.export import SpanExport
from chassis.telemetry.otlp import over_http, resource, to_collector


@asynccontextmanager
async def langfuse(settings: Settings) -> AsyncGenerator[SpanExport[CallRecord]]:
    """The export to Langfuse."""
    public, secret = settings.langfuse_public_key, settings.langfuse_secret_key
    assert public is not None, "there is a Langfuse"  # noqa: S101
    assert secret is not None, "there is a Langfuse"  # noqa: S101
    headers = langfuse_headers(public.get_secret_value(), secret.get_secret_value())
    to_spans = LangfuseSpans(
        generations=settings.records_generations, content=settings.langfuse_capture_content
    )
    async with (
        over_http(f"{settings.langfuse_host}{LANGFUSE_PATH}", headers) as send,
        SpanExport("langfuse", to_spans, send, resource(name_of(settings))) as export,
    ):
        yield export


@asynccontextmanager
async def collector(settings: Settings, endpoint: str) -> AsyncGenerator[SpanExport[CallRecord]]:
    """The export to a collector: over gRPC on its port 4317, unless the protocol is set."""
    given = settings.otel_exporter_otlp_headers
    to_spans = GenAiSpans(settings.otel_trace_sample_rate)
    async with (
        to_collector(endpoint, settings.otel_exporter_otlp_protocol, given) as send,
        SpanExport("collector", to_spans, send, resource(name_of(settings))) as export,
    ):
        yield export


def name_of(settings: Settings) -> str:
    return settings.otel_service_name or str(settings.solution)
