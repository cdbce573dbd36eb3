"""OpenFGA's check, as far as the SDK speaks it, and its one store with a model; it may fail.

The real one answers in `tests/integration/`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from running import listening

STORE = "01JDXQ0V6M0Z4T4W1X9Q7H2R3S"


@dataclass
class OpenFga:
    url: str = ""
    allowed: set[tuple[str, str, str]] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    status: int = 200
    delay: float = 0
    answer: Any = None
    body: bytes | None = None
    relations: tuple[str, ...] = ("can_execute", "can_read")

    async def check(self, request: web.Request) -> web.Response:
        key = (await request.json())["tuple_key"]
        asked = key["user"], key["relation"], key["object"]
        self.asked.append(asked)
        self.authorizations.append(request.headers.get("Authorization"))
        await asyncio.sleep(self.delay)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status, content_type="application/json")
        if self.status != 200:
            error = {"code": "internal_error", "message": "says the stand-in"}
            return web.json_response(error, status=self.status)
        return web.json_response(self.answer or {"allowed": asked in self.allowed})

    async def store(self, _: web.Request) -> web.Response:
        return web.json_response({"id": STORE, "name": "craft"}, status=self.status)

    async def models(self, _: web.Request) -> web.Response:
        project = {"type": "project", "relations": {name: {} for name in self.relations}}
        model = {
            "id": "01J",
            "schema_version": "1.1",
            "type_definitions": [{"type": "user"}, project],
        }
        return web.json_response({"authorization_models": [model]}, status=self.status)


@asynccontextmanager
async def running_openfga() -> AsyncIterator[OpenFga]:
    openfga = OpenFga()
    app = web.Application()
    app.router.add_post(f"/stores/{STORE}/check", openfga.check)
    app.router.add_get(f"/stores/{STORE}", openfga.store)
    app.router.add_get(f"/stores/{STORE}/authorization-models", openfga.models)
    async with listening(app) as openfga.url:
        yield openfga
