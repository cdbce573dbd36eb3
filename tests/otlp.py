"""What a collector does with OTLP over HTTP: it keeps the spans."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from hearsay import heard
from local.langfuse.app import PROTOBUF
from local.langfuse.otlp import Span
from local.langfuse.otlp import spans_of as spans

__all__ = ["PROTOBUF", "Collector", "Span", "create_collector", "spans", "waited_for"]


async def waited_for(
    found: list[Span], wanted: Callable[[Span], bool], count: int = 1
) -> list[Span]:
    """Waits for that many, and then for a moment longer, for one too many."""
    for _ in range(150):
        if sum(map(wanted, found)) >= count:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.5)
    return [span for span in found if wanted(span)]


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
        return await waited_for(self.spans, wanted, count)

    async def take(self, request: web.Request) -> web.Response:
        """An export of the protocol's: protobuf in, protobuf out."""
        await asyncio.sleep(self.slow)
        if request.content_type != PROTOBUF:
            self.refused += 1
            return web.Response(status=415)
        exported = spans(await request.read())
        heard("spans", exported)
        self.spans += exported
        reply = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=reply, content_type=PROTOBUF)


def create_collector(collector: Collector) -> web.Application:
    """A collector that asks for no key."""
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    return app
