"""A service's surroundings, in which one thing at a time is broken, and the doctor called there."""

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Any

import aiohttp
from aiohttp import web

from api.gateway.chat_format import BOOKED_HEADER
from openfga_stand_in import STORE, OpenFga, running_openfga
from provider import Provider, create_app
from realm import AUDIENCE, Realm, running_realm
from running import MASTER_KEY, ROOT, listening

DOCTOR = [sys.executable, "-m", "api.cli", "doctor"]
PUBLIC_KEY, SECRET_KEY = "pk-lf-doctored", "sk-lf-doctored"
PAIR = f"Basic {b64encode(f'{PUBLIC_KEY}:{SECRET_KEY}'.encode()).decode()}"
SECONDS = 30


@dataclass
class LiteLlm:
    """The gateway as the doctor sees it; completions are the scripted provider's.

    Attributes:
        refusal: the answer to whoever has a key; None lets every key pass.
        booked_on: the project that it says it books each call on; None says what it was told.
        clock: seconds that it is ahead.
    """

    url: str = ""
    provider: Provider = field(default_factory=Provider)
    aliases: tuple[str, ...] = ("ok", "status-500", "claude-ok")
    refusal: tuple[int, str] | None = None
    readiness: tuple[int, Any] = 200, {"status": "healthy"}
    booked_on: str | None = None
    clock: float = 0

    async def ready(self, _: web.Request) -> web.Response:
        status, body = self.readiness
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html")
        return web.json_response(body, status=status)

    async def models(self, request: web.Request) -> web.Response:
        if self.refusal is not None:
            status, kind = self.refusal
            message = f"No: {request.headers['Authorization']}"
            error = {"message": message, "type": kind, "code": str(status)}
            return web.json_response({"error": error}, status=status)
        return web.json_response({"data": [{"id": alias} for alias in self.aliases]})

    async def prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(time() + self.clock, usegmt=True)
        if request.method == "POST":
            told = (await request.json()).get("metadata", {}).get("project_id")
            response.headers[BOOKED_HEADER] = self.booked_on or told


@dataclass
class Langfuse:
    """Its health, and whose keys they are that it is asked with."""

    url: str = ""
    status: int = 200

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "OK"}, status=self.status)

    async def projects(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != PAIR:
            return web.json_response({"message": "Invalid credentials"}, status=401)
        return web.json_response({"data": [{"id": "p-1", "name": "observed"}]})


@dataclass(frozen=True)
class Report:
    """What the doctor said to a program."""

    code: int
    fields: dict[str, Any]
    text: str

    @property
    def cause(self) -> str | None:
        """The first check that failed, which has to say all that it knows."""
        failed = [f for f in self.fields["findings"] if f["verdict"] == "failed"]
        if not failed:
            assert (self.code, self.fields["ok"], self.fields["cause"]) == (0, True, None)
            return None
        assert all(f["what"] and f["how"] and f["mend"] for f in failed), failed
        assert (self.code, self.fields["cause"]) == (self.fields["exit_code"], failed[0]["check"])
        return str(failed[0]["check"])

    def finding(self, check: str) -> dict[str, Any]:
        return next(f for f in self.fields["findings"] if f["check"] == check)

    def verdicts(self) -> dict[str, str]:
        return {f["check"]: f["verdict"] for f in self.fields["findings"]}


async def said(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit code and both streams of the doctor in this environment and no other."""
    process = await asyncio.create_subprocess_exec(
        *DOCTOR,
        *arguments,
        env={"PATH": os.environ["PATH"]} | environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    assert "Traceback" not in err.decode(), err.decode()
    return process.returncode, out.decode(), err.decode()


async def report(environment: dict[str, str], *arguments: str) -> Report:
    code, out, err = await said(environment, "--json", *arguments)
    assert err == ""
    return Report(code, json.loads(out), out)


@dataclass
class Surroundings:
    """Everything is well until a test changes it.

    Attributes:
        changes: of the environment; an empty value takes a variable away.
    """

    gateway: LiteLlm
    realm: Realm
    openfga: OpenFga
    langfuse: Langfuse
    changes: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        given = {
            "LLM_GATEWAY_URL": f"{self.gateway.url}/v1",
            "LLM_GATEWAY_API_KEY": MASTER_KEY,
            "LLM_DEFAULT_MODEL": "ok",
            "LLM_FALLBACK_MODELS": "claude-ok",
            "KEYCLOAK_ISSUER_URL": self.realm.issuer,
            "KEYCLOAK_AUDIENCE": AUDIENCE,
            "OPENFGA_API_URL": self.openfga.url,
            "OPENFGA_STORE_ID": STORE,
            "LANGFUSE_HOST": self.langfuse.url,
            "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_SECRET_KEY": SECRET_KEY,
            "PORT": "0",
        }
        return {name: value for name, value in (given | self.changes).items() if value}

    async def report(self, *arguments: str) -> Report:
        return await report(self.environment(), *arguments)


@asynccontextmanager
async def surroundings() -> AsyncIterator[Surroundings]:
    gateway, langfuse = LiteLlm(), Langfuse()
    of_gateway, of_langfuse = create_app(gateway.provider), web.Application()
    of_gateway.router.add_get("/health/readiness", gateway.ready)
    of_gateway.router.add_get("/v1/models", gateway.models)
    of_gateway.on_response_prepare.append(gateway.prepare)
    of_langfuse.router.add_get("/api/public/health", langfuse.health)
    of_langfuse.router.add_get("/api/public/projects", langfuse.projects)
    async with (
        listening(of_gateway) as gateway.url,
        listening(of_langfuse) as langfuse.url,
        running_realm() as realm,
        running_openfga() as openfga,
    ):
        yield Surroundings(gateway, realm, openfga, langfuse)


@asynccontextmanager
async def proxy(upstream: str, *, drops: str | None = None) -> AsyncIterator[str]:
    """A proxy that holds every answer up until it is whole.

    Args:
        upstream: without a path.
        drops: a field of the body that it does not hand on.
    """

    async def hand_on(request: web.Request) -> web.Response:
        body = await request.read()
        if body and drops is not None:
            body = json.dumps({k: v for k, v in json.loads(body).items() if k != drops}).encode()
        kept = {
            k: request.headers[k] for k in ("Authorization", "Content-Type") if k in request.headers
        }
        async with http.request(
            request.method, f"{upstream}{request.path_qs}", data=body or None, headers=kept
        ) as answer:
            shown = {k: v for k, v in answer.headers.items() if k.lower().startswith("x-")}
            shown["Content-Type"] = answer.headers["Content-Type"]
            return web.Response(status=answer.status, body=await answer.read(), headers=shown)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hand_on)
    async with aiohttp.ClientSession() as http, listening(app) as url:
        yield url
