"""The routes: what a gateway sends to, what the SDK reads, and the page for people."""

import base64
import hmac
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from local.langfuse import page, queries
from local.langfuse.memory import Memory
from local.langfuse.observations import observation_of
from local.langfuse.otlp import NotOtlp, spans_of
from local.langfuse.records import PROJECT_RECORD

PROTOBUF = "application/x-protobuf"
TRACES = "/api/public/otel/v1/traces"
MOST_BYTES = 16 * 1024 * 1024
VERSION = "4.0.0"
HERE = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Keys:
    """The pair that everything under `/api/public` wants, but for the health."""

    public: str
    secret: str

    @property
    def header(self) -> str:
        """Basic authentication (RFC 7617)."""
        pair = f"{self.public}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass
class Langfuse:
    """What the routes share, and a test looks into."""

    keys: Keys
    memory: Memory = field(default_factory=Memory)
    refused: int = 0
    """The exports that were not taken."""

    def let_in(self, request: web.Request) -> None:
        """
        Raises:
            HTTPUnauthorized: there are no keys, or others.
        """
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self.keys.header.encode()):
            raise refusal(web.HTTPUnauthorized, "Invalid credentials")

    async def take(self, request: web.Request) -> web.Response:
        """An export of OTLP over HTTP."""
        try:
            self.let_in(request)
            if request.content_type != PROTOBUF:
                raise refusal(web.HTTPUnsupportedMediaType, f"only {PROTOBUF} is taken")
            # 1. aiohttp unpacks gzip, and counts what it was before.
            self.memory.add(map(observation_of, spans_of(await request.read())))
        except NotOtlp as error:
            self.refused += 1
            raise refusal(web.HTTPBadRequest, str(error)) from None
        except (web.HTTPException, web.RequestPayloadError):
            self.refused += 1
            raise
        reply = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=reply, content_type=PROTOBUF)

    async def projects(self, request: web.Request) -> web.Response:
        self.let_in(request)
        return web.json_response({"data": [PROJECT_RECORD]})

    async def observations(self, request: web.Request) -> web.Response:
        self.let_in(request)
        return web.json_response(queries.observations(self.memory, query_of(request)))

    async def traces(self, request: web.Request) -> web.Response:
        self.let_in(request)
        return web.json_response(queries.traces(self.memory, query_of(request)))

    async def trace(self, request: web.Request) -> web.Response:
        self.let_in(request)
        found = queries.trace(self.memory, request.match_info["id"])
        if found is None:
            raise refusal(web.HTTPNotFound, "no such trace")
        return web.json_response(found)

    async def list_page(self, request: web.Request) -> web.Response:
        return page.of_traces(self.memory, request.query.get("project", ""))

    async def trace_page(self, request: web.Request) -> web.Response:
        return page.of_trace(self.memory, request.match_info["id"])


def create_app(langfuse: Langfuse, *, is_version_3: bool = False) -> web.Application:
    """
    Args:
        is_version_3: it has no `v2/observations`, as a Langfuse of one's own may still not have.
    """
    app = web.Application(client_max_size=MOST_BYTES, middlewares=[only_here, problems])
    app.router.add_post(TRACES, langfuse.take)
    app.router.add_get("/api/public/health", health)
    app.router.add_get("/api/public/projects", langfuse.projects)
    if not is_version_3:
        app.router.add_get("/api/public/v2/observations", langfuse.observations)
    app.router.add_get("/api/public/traces", langfuse.traces)
    app.router.add_get("/api/public/traces/{id}", langfuse.trace)
    app.router.add_get("/", langfuse.list_page)
    app.router.add_get("/trace/{id}", page.moved)
    app.router.add_get("/project/{project}/traces/{id}", langfuse.trace_page)
    app.router.add_get("/style.css", page.style)
    return app


async def health(_: web.Request) -> web.Response:
    return web.json_response({"status": "OK", "version": VERSION})


def query_of(request: web.Request) -> dict[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


def refusal(kind: type[web.HTTPError], message: str) -> web.HTTPException:
    """A failure as Langfuse words it."""
    said: Any = web.json_response({"message": message, "error": kind.__name__}).text
    return kind(text=said, content_type="application/json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except queries.BadQuery as error:
        raise refusal(web.HTTPBadRequest, str(error)) from None


@web.middleware
async def only_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of somewhere else that has its name lead to this machine reads no prompts."""
    if (request.url.host or "") not in HERE:
        raise web.HTTPForbidden(text="only by the name of this machine")
    return await handler(request)
