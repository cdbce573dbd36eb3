"""How a batch of spans is sent: OTLP over HTTP or over gRPC, as the receiver wants it."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from api.span_export import NotNow, Refused, Send

SEND_SECONDS = 5.0
LATER = {408, 425, 429, 500, 502, 503, 504}
"""Source: OTLP 1.x, "retryable response codes", and what a proxy on the way says of its own."""
LANGFUSE_PATH = "/api/public/otel/v1/traces"


def langfuse_headers(public_key: str, secret_key: str) -> dict[str, str]:
    """Basic auth with the project's keys, and the version of ingestion that our attributes need."""
    keys = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    return {"Authorization": f"Basic {keys}", "x-langfuse-ingestion-version": "4"}


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
