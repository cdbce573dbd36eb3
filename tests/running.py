"""What the tests run for real: the gateway with the local LLM behind it, and the API in front."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from aiohttp import web
from aiohttp.typedefs import Handler
from fastapi import APIRouter
from pydantic import SecretStr

from api.main import create_app
from api.settings import Settings
from chassis.admission import Admission
from chassis.server.connection import Connection
from chassis.server.server import Server, listen
from hearsay import Overheard, heard, keep
from local.run.ports import free_port
from marked import marked

ROOT = Path(__file__).resolve().parent.parent
GATEWAY_PYTHON = ROOT / ".venv-gateway" / "bin" / "python"
NOBODY = "http://127.0.0.1:9"
MASTER_KEY = marked("master")
START_SECONDS = 90
ATTRIBUTED = {"project_id": "demo", "solution": "tests"}


@dataclass(frozen=True)
class RunningGateway:
    """The real LiteLLM proxy, and what its recorder wrote."""

    url: str
    key: str
    folder: Path

    def lines(self) -> list[dict[str, Any]]:
        text = (self.folder / "received.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    @property
    def local_llm_url(self) -> str:
        return str(self.lines()[0]["local_llm_url"])

    async def recorded(self, event: str, prompt: str, count: int = 1) -> list[dict[str, Any]]:
        """Waits for that many lines of this event for this prompt, and gives all there are."""
        for _ in range(100):
            found = [x for x in self.lines() if x["event"] == event and x["prompt"] == prompt]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {count} lines of {event} for {prompt!r}")


@dataclass(frozen=True)
class Service:
    """The API, listening."""

    url: str
    admission: Admission
    http: aiohttp.ClientSession

    def post(self, path: str, project: str = "demo", **body: Any) -> Any:
        return self.http.post(self.url + path, json=body, headers={"X-Project-ID": project})

    def get(self, path: str, project: str = "demo", **query: Any) -> Any:
        return self.http.get(self.url + path, params=query, headers={"X-Project-ID": project})


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """An application of a test on a real socket; its address, without a path."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering_completions(handler: Handler) -> AsyncIterator[str]:
    """Something that takes a gateway's calls; the base URL for `LLM_GATEWAY_URL`."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    async with listening(app) as url:
        yield f"{url}/v1"


@asynccontextmanager
async def running_gateway(
    provider_url: str, *overlays: Path, port: int | None = None, **variables: str
) -> AsyncIterator[RunningGateway]:
    """
    Args:
        provider_url: the scripted provider's.
        overlays: more config, after `tests/overlay.yaml`.
        port: a free one where it is not given.
        variables: more of the runner's environment.
    """
    port = port or free_port()
    files = [ROOT / "tests" / "overlay.yaml", *overlays]
    process = await asyncio.create_subprocess_exec(
        *(str(GATEWAY_PYTHON), "-m", "local", "serve"),
        *("--port", str(port), *(word for file in files for word in ("--overlay", str(file)))),
        cwd=ROOT,
        env=os.environ
        | {"PROVIDER_URL": provider_url, "PROVIDER_KEY": marked("provider")}
        | {"LITELLM_MASTER_KEY": MASTER_KEY}
        | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await wait_until_ready(process, f"http://127.0.0.1:{port}/health/readiness")
        url = f"http://127.0.0.1:{port}/v1"
        key = variables.get("LITELLM_MASTER_KEY", MASTER_KEY)
        await warm_up(url, key)
        yield RunningGateway(url, key, ROOT / ".run" / str(port))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        said, _ = await process.communicate()
        heard("runner", said)
        keep(*what_was_left_in(ROOT / ".run" / str(port)))


def what_was_left_in(folder: Path) -> list[Path]:
    """The logs of the parts of a gateway, its config, and what its recorder wrote."""
    return [file for kind in ("*.log", "*.yaml", "*.jsonl") for file in folder.glob(kind)]


async def wait_until_ready(process: asyncio.subprocess.Process, url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            try:
                async with http.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
    assert process.stdout is not None
    raise AssertionError((await process.stdout.read()).decode())


async def warm_up(url: str, key: str) -> None:
    """LiteLLM's first calls take a second longer than the others."""
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for stream in (False, True):
            messages = [{"role": "user", "content": "warm up"}]
            body = {"model": "ok", "messages": messages, "stream": stream, "metadata": ATTRIBUTED}
            async with http.post(f"{url}/chat/completions", json=body) as response:
                assert response.status == 200
                await response.read()


def settings_for(url: str, key: str = MASTER_KEY, **changes: Any) -> Settings:
    """The settings of a test: no fallbacks unless it names some."""
    chosen: dict[str, Any] = {
        "llm_gateway_url": url,
        "llm_gateway_api_key": SecretStr(key),
        "auth_mode": "disabled",
        "llm_fallback_models": (),
        "llm_default_model": "ok",
    }
    return Settings(**(chosen | changes))


def asking_for_tokens(settings: Settings) -> Settings:
    """The same service, which asks for tokens."""
    realm = {"keycloak_issuer_url": f"{NOBODY}/realms/craft", "keycloak_audience": "solution-api"}
    return settings.model_copy(update={"auth_mode": "keycloak"} | realm)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Service]:
    """The API in this loop, on a real socket; tests with the same settings share one."""
    if settings not in RUNNING:
        stack = AsyncExitStack()
        RUNNING[settings] = await stack.enter_async_context(serving_alone(settings)), stack
    yield RUNNING[settings][0]


@asynccontextmanager
async def serving_alone(
    settings: Settings,
    *more: APIRouter,
    connection: type[Connection] = Connection,
    connections: int | None = None,
) -> AsyncIterator[Service]:
    """The same for a test that shuts it down, adds routes, or has to see that it is idle.

    Args:
        connection: how a client is treated.
        connections: how many there may be; as many as come without it.
    """
    admission = Admission(settings.llm_max_in_flight)
    listener = listen("127.0.0.1", 0)
    app = create_app(settings, admission)
    for router in more:
        app.include_router(router)
    config = uvicorn.Config(
        Overheard(app),
        http=connection,
        limit_concurrency=connections,
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = Server(config, admission)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    port = listener.getsockname()[1]
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Service(f"http://127.0.0.1:{port}", admission, http)
    finally:
        server.should_exit = True
        await task


RUNNING: dict[Settings, tuple[Service, AsyncExitStack]] = {}


async def end_all() -> None:
    """Ends the APIs that tests share."""
    await asyncio.gather(*(stack.aclose() for _, stack in RUNNING.values()))


def api_command() -> list[str]:
    return [sys.executable, "-m", "api"]
