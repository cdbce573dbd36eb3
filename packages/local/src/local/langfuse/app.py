"""The routes: what a gateway sends to, what the SDK reads, and the page for people."""

import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from local.langfuse.memory import Memory, path_of
from local.langfuse.observations import PROJECT, observation_of
from local.langfuse.otlp import spans_of

HERE = Path(__file__).parent
PROTOBUF = "application/x-protobuf"
API = "/api/public"
HEALTH = f"{API}/health"
TRACES = f"{API}/otel/v1/traces"
MOST_BYTES = 16 * 1024 * 1024
MOST_SHOWN = 200
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Keys:
    """The pair that everything under `/api/public` wants, but for the health."""

    public: str
    secret: str

    @property
    def header(self) -> str:
        """Basic authentication (RFC 7617)."""
        return aiohttp.encode_basic_auth(self.public, self.secret)


@dataclass
class Langfuse:
    """What the routes share: the traces, and how many exports were refused."""

    keys: Keys
    memory: Memory = field(default_factory=Memory)
    refused: int = 0

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets in who has the keys, and words a failure as Langfuse does.

        A page of somewhere else that has its name lead to this machine reads no prompts.
        """
        if (request.url.host or "") not in THIS_MACHINE:
            raise web.HTTPForbidden(text="only by the name of this machine")
        given = request.headers.get("Authorization", "").encode()
        is_open = not request.path.startswith(f"{API}/") or request.path == HEALTH
        try:
            if not is_open and not hmac.compare_digest(given, self.keys.header.encode()):
                raise refusal(web.HTTPUnauthorized, "Invalid credentials")
            return await handler(request)
        except (ValueError, web.HTTPException, web.RequestPayloadError) as error:
            self.refused += request.path == TRACES
            if isinstance(error, ValueError):
                raise refusal(web.HTTPBadRequest, str(error)) from None
            raise

    async def take(self, request: web.Request) -> web.Response:
        """An export of OTLP over HTTP; aiohttp unpacks gzip, and counts what it was before."""
        if request.content_type != PROTOBUF:
            raise refusal(web.HTTPUnsupportedMediaType, f"only {PROTOBUF} is taken")
        self.memory.add(map(observation_of, spans_of(await request.read())))
        reply = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=reply, content_type=PROTOBUF)

    async def observations(self, request: web.Request) -> web.Response:
        return answer(self.memory.answer(request.query))

    async def trace(self, request: web.Request) -> web.Response:
        found = self.memory.trace(request.match_info["id"])
        if found is None:
            raise refusal(web.HTTPNotFound, "no such trace")
        return answer(found)

    async def page(self, request: web.Request) -> web.Response:
        """The traces of a project, or of all; or one trace."""
        project, trace_id = request.query.get("project", ""), request.match_info.get("id")
        found = [
            trace
            for trace in self.memory.traces(trace_id)
            if project in ("", trace["metadata"].get("project_id"))
        ]
        more = {"id": trace_id, "project": project, "dropped": self.memory.dropped}
        html = template().render(more, traces=found[:MOST_SHOWN], of=len(found))
        return web.Response(
            body=html.encode(errors="replace"),
            status=404 if trace_id and not found else 200,
            headers=PAGE_HEADERS | {"Content-Type": "text/html; charset=utf-8"},
        )


def create_app(langfuse: Langfuse, *, is_version_3: bool = False) -> web.Application:
    """Version 3 has no `v2/observations`, and a Langfuse of one's own may still be of it."""
    app = web.Application(client_max_size=MOST_BYTES, middlewares=[langfuse.guard])
    app.router.add_post(TRACES, langfuse.take)
    app.router.add_get(HEALTH, health)
    app.router.add_get(f"{API}/projects", projects)
    if not is_version_3:
        app.router.add_get(f"{API}/v2/observations", langfuse.observations)
    app.router.add_get(f"{API}/traces/{{id}}", langfuse.trace)
    app.router.add_get("/", langfuse.page)
    app.router.add_get(path_of("{id}"), langfuse.page)
    app.router.add_get("/style.css", style)
    return app


@cache
def template() -> Template:
    loader = FileSystemLoader(HERE)
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return pages.get_template("page.html")


async def health(_: web.Request) -> web.Response:
    return answer({"status": "OK", "version": "4.0.0"})


async def projects(_: web.Request) -> web.Response:
    named = {"id": PROJECT, "name": "Local", "metadata": {}}
    return answer({"data": [named | {"organization": named}]})


async def style(_: web.Request) -> web.FileResponse:
    return web.FileResponse(HERE / "style.css", headers=PAGE_HEADERS)


def answer(record: dict[str, Any]) -> web.Response:
    return web.json_response(record, dumps=partial(json.dumps, default=datetime.isoformat))


def refusal(kind: type[web.HTTPError], message: str) -> web.HTTPException:
    """A failure as Langfuse words it."""
    said = json.dumps({"message": message, "error": kind.__name__})
    return kind(text=said, content_type="application/json")
