"""Who gets the spans of calls, as the settings say: Langfuse, and OpenTelemetry's collector."""

import socket
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from pydantic import SecretStr

from api.genai_spans import GenAiSpans
from api.langfuse_spans import LangfuseSpans
from api.otlp import LANGFUSE_PATH, langfuse_headers, over_grpc, over_http
from api.redaction import keep_out
from api.setting_values import parse_headers
from api.settings import Settings
from api.span_export import Send, SpanExport
from api.watching import CallSeen

GRPC_PORT = ":4317"


@asynccontextmanager
async def langfuse(settings: Settings) -> AsyncGenerator[SpanExport[CallSeen]]:
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
async def collector(settings: Settings, endpoint: str) -> AsyncGenerator[SpanExport[CallSeen]]:
    """The export to a collector: over gRPC on its port 4317, unless the protocol is set."""
    given = settings.otel_exporter_otlp_headers
    to_spans = GenAiSpans(settings.otel_trace_sample_rate)
    async with (
        to_collector(endpoint, settings.otel_exporter_otlp_protocol, given) as send,
        SpanExport("collector", to_spans, send, resource(name_of(settings))) as export,
    ):
        yield export


def to_collector(
    endpoint: str, protocol: str | None, headers: SecretStr | None
) -> AbstractAsyncContextManager[Send]:
    """The way to a collector.

    Args:
        protocol: `OTEL_EXPORTER_OTLP_PROTOCOL`; None: as the port says.
        headers: `OTEL_EXPORTER_OTLP_HEADERS`.
    """
    sent = parse_headers(headers.get_secret_value()) if headers is not None else {}
    for value in sent.values():
        # 1. A collector may quote one in what it answers, without its name and its scheme.
        keep_out(value.rpartition(" ")[2])
    is_grpc = endpoint.rstrip("/").endswith(GRPC_PORT)
    if (protocol or ("grpc" if is_grpc else "http/protobuf")) == "grpc":
        return over_grpc(endpoint, sent)
    return over_http(f"{endpoint.rstrip('/')}/v1/traces", sent)


def name_of(settings: Settings) -> str:
    return settings.otel_service_name or str(settings.solution)


def resource(service: str) -> Resource:
    """What the spans say they come from."""
    made = Resource()
    for key, value in (
        ("service.name", service),
        ("service.instance.id", socket.gethostname()),
    ):
        attribute = made.attributes.add()
        attribute.key, attribute.value.string_value = key, value
    return made
