"""The gateway is killed under load, and comes back: the service says so, and serves by itself."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from conftest import RunningProvider
from local.run.ports import free_port
from make_run import processes_of
from running import ROOT, Service, running_gateway, serving_alone, settings_for

CALLERS = 8
WITHIN_SECONDS = 2
CALLED_BY_NONE = re.compile(r"/health(?![/\w])")


@dataclass
class Load:
    """Callers who ask again as soon as they are answered.

    Attributes:
        answers: when each came, its status, and its code where it is a failure.
    """

    service: Service
    answers: list[tuple[float, int, str | None]] = field(default_factory=list)

    async def ask(self) -> None:
        while True:
            async with self.service.post("/llm/complete", prompt="still there?") as response:
                body: dict[str, Any] = await response.json()
                self.answers.append((time.monotonic(), response.status, body.get("code")))
            await asyncio.sleep(0.02)

    def since(self, moment: float) -> list[tuple[float, int, str | None]]:
        return [answer for answer in self.answers if answer[0] >= moment]


@asynccontextmanager
async def loaded(service: Service) -> AsyncIterator[Load]:
    load = Load(service)
    callers = [asyncio.create_task(load.ask()) for _ in range(CALLERS)]
    try:
        yield load
        assert not any(caller.done() for caller in callers)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


@pytest.mark.timeout(120)
async def test_a_killed_gateway_is_unavailable_and_found_again_within_two_seconds(
    provider: RunningProvider,
) -> None:
    port = free_port()
    async with serving_alone(settings_for(f"http://127.0.0.1:{port}/v1")) as service:
        async with running_gateway(provider.url, port=port), loaded(service) as load:
            await asyncio.sleep(1)
            (process,) = processes_of(f"litellm.proxy.proxy_cli.*--port {port} ")
            os.kill(process, signal.SIGKILL)
            killed = time.monotonic()
            await asyncio.sleep(3)
        assert {answer[1:] for answer in load.answers if answer[0] < killed} == {(200, None)}
        assert {answer[1:] for answer in load.since(killed + 0.1)} == {(503, "gateway_unavailable")}

        async with loaded(service) as load:
            back = asyncio.create_task(answered(port))
            async with running_gateway(provider.url, port=port):
                await asyncio.sleep(WITHIN_SECONDS + 1)
            late = load.since(await back + WITHIN_SECONDS)
        first = min(moment for moment, status, _ in load.answers if status == 200)
        assert first - await back < WITHIN_SECONDS
        assert {answer[1:] for answer in late if answer[0] < await back + 3} == {(200, None)}


async def answered(port: int) -> float:
    """The moment from which the gateway answers its probe."""
    url = f"http://127.0.0.1:{port}/health/readiness"
    async with aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(url) as response:
                    if response.status == 200:
                        return time.monotonic()
            await asyncio.sleep(0.05)


def test_nothing_of_ours_asks_the_gateway_for_the_health_of_its_models() -> None:
    """Each of these has a `/health` of its own, lets it through, asks Langfuse's or closes the
    gateway's.
    """
    ours = [
        path
        for folder in ("packages", "charts", "bench", "tools")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".yml", ".sh", ".tpl", ".json")
    ]
    assert {path.name for path in ours if CALLED_BY_NONE.search(path.read_text())} == {
        "app.py",
        "guard.py",
        "fastmcp_proxy.py",
        "fault_models.py",
        "health.py",
        "main.py",
        "langfuse.py",
        "processes.py",
        "open_routes.py",
        "tool_calls.py",
        "tool_server.py",
    }
