"""What a collector does with OTLP over HTTP: it decodes the protobuf, and keeps the spans."""

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    """
    Attributes:
        service: what the sender calls itself.
        trace: its id, in hex.
    """

    service: str | None
    trace: str
    name: str
    attributes: dict[str, Any]


@dataclass
class Collector:
    """The collector's memory, shared by its route and the test that asks.

    Attributes:
        slow: seconds until it answers.
        refused: the exports that it did not accept.
    """

    spans: list[Span] = field(default_factory=list)
    slow: float = 0
    refused: int = 0

    async def waited_for(self, wanted: Callable[[Span], bool], count: int = 1) -> list[Span]:
        """Waits for that many, and then for a moment longer, for one too many."""
        for _ in range(150):
            if sum(map(wanted, self.spans)) >= count:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.5)
        return [span for span in self.spans if wanted(span)]

    async def take(self, request: web.Request) -> web.Response:
        """An export of the protocol's: protobuf in, protobuf out."""
        await asyncio.sleep(self.slow)
        if request.content_type != PROTOBUF:
            self.refused += 1
            return web.Response(status=415)
        self.spans += spans(await request.read())
        reply = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=reply, content_type=PROTOBUF)


def spans(body: bytes) -> list[Span]:
    exported = ExportTraceServiceRequest.FromString(
        gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
    )
    return [
        Span(
            attributes(each.resource.attributes).get("service.name"),
            span.trace_id.hex(),
            span.name,
            attributes(span.attributes),
        )
        for each in exported.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in pairs}


def value(said: AnyValue) -> Any:
    kind = said.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in said.array_value.values]
    if kind == "kvlist_value":
        return attributes(said.kvlist_value.values)
    return getattr(said, kind) if kind else None


def create_collector(collector: Collector) -> web.Application:
    """A collector that asks for no key."""
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    return app
