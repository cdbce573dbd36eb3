"""How a batch of spans is sent: OTLP over HTTP or over gRPC, as the receiver wants it."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from pydantic import SecretStr

from chassis.redaction import keep_out
from chassis.setting_values import parse_headers
from chassis.telemetry.export import NotNow, Refused, Send

SEND_SECONDS = 5.0
LATER = {408, 425, 429, 500, 502, 503, 504}
"""Source: OTLP 1.x, "retryable response codes", and what a proxy on the way says of its own."""


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Send]:
    """
    Args:
        url: of the receiver's traces.
    """
    sent = {"Content-Type": "application/x-protobuf"} | dict(headers)
    timeout = aiohttp.ClientTimeout(SEND_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=sent) as http:

        async def send(batch: ExportTraceServiceRequest) -> None:
            data = batch.SerializeToString()
            try:
                async with http.post(url, data=data, allow_redirects=False) as response:
                    status = response.status
            except (aiohttp.ClientError, OSError) as error:
                raise NotNow(f"{type(error).__name__}: {error}"[:300]) from None
            if status in LATER:
                raise NotNow(f"status {status}")
            if status >= 300:
                raise Refused(f"status {status}")

        yield send


@asynccontextmanager
async def over_grpc(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Send]:
    """
    Args:
        url: `http://host:port`, or `https://` for TLS.
    """
    from grpc import StatusCode, ssl_channel_credentials
    from grpc.aio import AioRpcError, insecure_channel, secure_channel
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

    scheme, _, target = url.rstrip("/").partition("://")
    if scheme == "https":
        channel = secure_channel(target, ssl_channel_credentials())
    else:
        channel = insecure_channel(target)
    refused = {
        StatusCode.INVALID_ARGUMENT,
        StatusCode.UNAUTHENTICATED,
        StatusCode.PERMISSION_DENIED,
        StatusCode.UNIMPLEMENTED,
    }
    metadata = tuple((name.lower(), value) for name, value in headers.items())
    async with channel:
        stub = TraceServiceStub(channel)

        async def send(batch: ExportTraceServiceRequest) -> None:
            try:
                await stub.Export(batch, timeout=SEND_SECONDS, metadata=metadata)
            except AioRpcError as error:
                why = f"{error.code().name}: {error.details()}"[:300]
                raise (Refused if error.code() in refused else NotNow)(why) from None

        yield send
        await asyncio.sleep(0)


GRPC_PORT = ":4317"


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
