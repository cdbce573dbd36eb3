"""An outage is not made worse: what a dead or failing gateway costs, and how it is found again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from conftest import RunningProvider
from local.openai_wire import answer as completed
from local.run.ports import free_port
from provider import Provider, create_app
from running import Service, serving_alone, settings_for


@dataclass
class DeadGateway:
    """Takes connections and closes them at once, as a port whose server is gone does."""

    url: str = ""
    connections: int = 0
    server: asyncio.Server = field(init=False)

    def drop(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@asynccontextmanager
async def dead_gateway() -> AsyncIterator[DeadGateway]:
    gateway = DeadGateway()
    gateway.server = await asyncio.start_server(gateway.drop, "127.0.0.1", 0, backlog=2000)
    with closing(gateway.server):
        gateway.url = f"http://127.0.0.1:{gateway.server.sockets[0].getsockname()[1]}/v1"
        yield gateway


async def fail_once(service: Service, path: str = "/llm/complete") -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    async with service.post(path, prompt="anybody there?") as r:
        body: dict[str, Any] = await r.json()
        assert (r.status, body["code"]) == (503, "gateway_unavailable")
        assert int(r.headers["Retry-After"]) >= 1
    return body, time.monotonic() - began


@pytest.mark.timeout(120)
@pytest.mark.parametrize("at_once", [1, 50, 1000])
async def test_a_thousand_calls_to_a_dead_gateway_cost_hardly_more_connections_than_calls(
    lane: str, at_once: int
) -> None:
    turns = asyncio.Semaphore(at_once)
    receipts: list[list[str]] = []
    skipped: list[float] = []

    async def one(service: Service) -> None:
        async with turns:
            body, seconds = await fail_once(service)
        receipts.append([attempt["outcome"] for attempt in body["attempts"]])
        if receipts[-1] == ["skipped"]:
            skipped.append(seconds)

    async with dead_gateway() as gateway:
        async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
            began = time.monotonic()
            await asyncio.gather(*(one(service) for _ in range(1000)))
            took = time.monotonic() - began
    assert len(receipts) == 1000
    assert gateway.connections <= 1100
    attempts = Counter(outcome for receipt in receipts for outcome in receipt)
    looks = gateway.connections - attempts["gateway_unavailable"]
    assert 0 <= looks <= attempts["gateway_unavailable"] + took, "a probe looks whether it is ready"
    if at_once == 1:
        assert gateway.connections < 20 + 2 * took, "five failures open it, then one probe a second"
        assert sorted(skipped)[len(skipped) * 95 // 100] < 0.05


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_while_the_breaker_is_open_the_caller_is_told_when_to_come_back(
    lane: str, path: str
) -> None:
    async with dead_gateway() as gateway:
        async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
            while (await fail_once(service))[0]["attempts"][-1]["outcome"] != "skipped":
                pass
            connections = gateway.connections
            body, _ = await fail_once(service, path)
            assert gateway.connections == connections
    (attempt,) = body["attempts"]
    assert (attempt["outcome"], attempt["status"], attempt["duration_ms"]) == ("skipped", 503, 0)
    assert body["retry_after"] == 1


async def test_a_gateway_that_is_back_serves_again_by_itself_within_two_seconds(lane: str) -> None:
    port = free_port()
    settings = settings_for(f"http://127.0.0.1:{port}/v1", llm_client=lane)
    async with serving_alone(settings) as service:
        for _ in range(20):
            await fail_once(service)
        runner = web.AppRunner(create_app(Provider()))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        began = time.monotonic()
        while True:
            async with service.post("/llm/complete", prompt="back?") as r:
                if r.status == 200:
                    break
            assert time.monotonic() - began < 2
            await asyncio.sleep(0.05)
        for _ in range(10):
            async with service.post("/llm/complete", prompt="back!") as r:
                assert r.status == 200
        await runner.cleanup()


async def test_a_gateway_that_is_back_is_used_before_its_first_answer_is_complete(
    lane: str,
) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(4)
        return web.Response(body=completed("ok", "hi", "stop", 1), content_type="application/json")

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    port = free_port()
    settings = settings_for(f"http://127.0.0.1:{port}/v1", llm_client=lane)
    async with serving_alone(settings) as service:
        for _ in range(10):
            await fail_once(service)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        app.router.add_get("/health/readiness", ready)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

        async def ask() -> int:
            async with service.post("/llm/complete", prompt="slowly back") as r:
                return int(r.status)

        await asyncio.sleep(1.1)
        probe = asyncio.create_task(ask())
        await asyncio.sleep(0.5)
        others = await asyncio.gather(*(ask() for _ in range(20)))
        assert [await probe, *others] == [200] * 21
        await runner.cleanup()


async def test_a_model_that_keeps_failing_is_skipped_and_its_fallback_answers_alone(
    provider: RunningProvider, lane: str
) -> None:
    prompt = f"keeps failing, {lane}"
    settings = settings_for(
        provider.url,
        llm_client=lane,
        llm_default_model="status-500",
        llm_fallback_models=("ok",),
    )
    receipts = []
    async with serving_alone(settings) as service:
        for _ in range(10):
            async with service.post("/llm/complete", prompt=prompt) as r:
                assert r.status == 200
                answer = await r.json()
            assert (answer["model"], answer["requested_model"]) == ("ok", "status-500")
            receipts.append([a["outcome"] for a in answer["attempts"]])
        async with service.post("/llm/stream", prompt=prompt) as r:
            assert '"outcome":"skipped"' in await r.text()
    assert receipts[0] == ["upstream_failed", "upstream_failed", "ok"]
    assert receipts[-1] == ["skipped", "ok"]
    asked = Counter(call.body["model"] for call in provider.seen.for_prompt(prompt))
    assert asked == {"status-500": 5, "ok": 11}


async def test_one_models_failures_are_not_anothers(provider: RunningProvider) -> None:
    async with serving_alone(settings_for(provider.url)) as service:
        for _ in range(5):
            async with service.post("/llm/complete", model="status-500", prompt="mine") as r:
                assert r.status == 502
        async with service.post("/llm/complete", model="status-500", prompt="mine") as r:
            assert (await r.json())["attempts"][0]["outcome"] == "skipped"
        async with service.post("/llm/complete", model="ok", prompt="yours") as r:
            assert r.status == 200


async def test_a_burst_of_failures_is_hardly_retried(
    provider: RunningProvider,
) -> None:
    """A tenth of the calls may retry at a time; the models differ, so that no breaker helps."""
    async with serving_alone(settings_for(provider.url)) as service:

        async def one(number: int) -> None:
            model = f"status-500-{number}"
            async with service.post("/llm/complete", model=model, prompt="a burst") as r:
                assert r.status == 502

        await asyncio.gather(*(one(number) for number in range(400)))
    asked = Counter(call.body["model"] for call in provider.seen.for_prompt("a burst"))
    assert len(asked) == 400
    again = sum(count - 1 for count in asked.values())
    assert 3 <= again <= 120, "without a budget all of them would"
