"""Langfuse as a gateway sees it: OTLP with Basic auth, under the path that Langfuse takes it at."""

import base64
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from otlp import Collector, Span

TRACES = "/api/public/otel/v1/traces"
PUBLIC_KEY = "pk-lf-of-the-tests"
SECRET_KEY = "sk-lf-of-the-tests"


@dataclass
class Langfuse(Collector):
    """The generations that it was sent.

    Attributes:
        secret: the key that it wants.
    """

    secret: str = SECRET_KEY

    async def take(self, request: web.Request) -> web.Response:
        keys = base64.b64encode(f"{PUBLIC_KEY}:{self.secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {keys}":
            self.refused += 1
            return web.Response(status=401)
        return await super().take(request)

    async def generations(self, prompt: str, count: int = 1) -> list[Span]:
        """Those whose input has the prompt."""

        def wanted(span: Span) -> bool:
            return prompt in str(span.attributes.get("langfuse.observation.input"))

        return await self.waited_for(wanted, count)


def create_app(langfuse: Langfuse) -> web.Application:
    """What Langfuse does on its OTLP route, and on no other."""
    app = web.Application()
    app.router.add_post(TRACES, langfuse.take)
    return app


def settings(url: str) -> dict[str, Any]:
    """The variables that point a gateway at it."""
    return {
        "LANGFUSE_HOST": url,
        "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
        "LANGFUSE_SECRET_KEY": SECRET_KEY,
    }
