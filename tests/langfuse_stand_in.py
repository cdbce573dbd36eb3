"""The Langfuse of `make run` in a test, which sees all that it was sent, and makes it slow."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hearsay import heard
from local.langfuse import app
from local.langfuse.app import Keys
from marked import marked
from otlp import Span, spans, waited_for

PUBLIC_KEY = "pk-lf-of-the-tests"
SECRET_KEY = marked("langfuse")


@dataclass
class Langfuse(app.Langfuse):
    """
    Attributes:
        slow: seconds until it takes an export.
        spans: those of the exports that it took, as they were sent.
    """

    keys: Keys = field(default_factory=lambda: Keys(PUBLIC_KEY, SECRET_KEY))
    slow: float = 0
    spans: list[Span] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow)
        reply = await super().take(request)
        exported = spans(await request.read())
        heard("spans", exported)
        self.spans += exported
        return reply

    async def generations(self, prompt: str, count: int = 1) -> list[Span]:
        """Those whose input has the prompt."""

        def wanted(span: Span) -> bool:
            return prompt in str(span.attributes.get("langfuse.observation.input"))

        return await self.waited_for(wanted, count)

    async def waited_for(self, wanted: Callable[[Span], bool], count: int = 1) -> list[Span]:
        return await waited_for(self.spans, wanted, count)


def create_app(langfuse: Langfuse, **how: Any) -> web.Application:
    """Langfuse's own routes."""
    return app.create_app(langfuse, **how)


def settings(url: str) -> dict[str, Any]:
    """The variables that point a gateway at it."""
    return {
        "LANGFUSE_HOST": url,
        "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
        "LANGFUSE_SECRET_KEY": SECRET_KEY,
    }
