"""The export of calls to an OpenTelemetry collector."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from api.llm.observers import CallObserver
from chassis.telemetry.metrics import Export
from chassis.telemetry.settings import OtlpSettings


class CallExport(CallObserver, Export, Protocol):
    """An observer that sends what it is told to a receiver of traces."""


@asynccontextmanager
async def opened(settings: OtlpSettings, service: str) -> AsyncGenerator[CallExport]:
    """The export to the collector of these settings, for as long as the block.

    Args:
        service: what the spans say they come from.
    """
    from api.telemetry.call_spans import GenAiSpans
    from chassis.telemetry.export import SpanExport
    from chassis.telemetry.otlp import to_collector

    to_spans = GenAiSpans(service, settings.otel_trace_sample_rate)
    async with SpanExport("collector", to_spans, to_collector(settings)) as export:
        yield export
