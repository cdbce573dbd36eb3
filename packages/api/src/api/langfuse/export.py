"""The export of calls to Langfuse, by the span processor of its SDK.

Not by its client: that is one for a key and a process, starts threads for scores and media, and
looks for pictures in every prompt.
"""

from aiohttp import encode_basic_auth
from langfuse._client.span_processor import LangfuseSpanProcessor
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

from api.langfuse.settings import LangfuseSettings
from api.langfuse.spans import LangfuseSpans
from api.llm.observers import CallRecord
from chassis.telemetry.export import BATCH_CALLS, INTERVAL_SECONDS, SpanExport
from chassis.telemetry.otlp import over_http

PATH = "/api/public/otel/v1/traces"
INGESTION = {"x-langfuse-ingestion-version": "4"}
"""The version that our attributes need."""


def export_to(settings: LangfuseSettings, service: str) -> SpanExport[CallRecord]:
    """The export to the Langfuse of these settings.

    Args:
        service: what the spans say they come from.
    """
    host, (public_key, secret_key) = settings.langfuse_host or "", settings.langfuse_keys
    to_spans = LangfuseSpans(
        service,
        generations=settings.records_generations,
        content=settings.langfuse_capture_content,
    )
    headers = {"Authorization": encode_basic_auth(public_key, secret_key)} | INGESTION

    def processor(exporter: SpanExporter) -> SpanProcessor:
        return LangfuseSpanProcessor(
            public_key=public_key,
            secret_key=secret_key,
            base_url=host,
            flush_at=BATCH_CALLS,
            flush_interval=INTERVAL_SECONDS,
            should_export_span=lambda _: True,
            span_exporter=exporter,
        )

    return SpanExport("langfuse", to_spans, over_http(host + PATH, headers), processor)
