"""The contract's table of failures, every row, in both lanes: status, code, headers, attempts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from conftest import RunningProvider
from local.run.ports import free_port
from reading import read_stream
from running import (
    RunningGateway,
    Service,
    listening,
    serving,
    serving_alone,
    settings_for,
)

THROUGH_LITELLM = [
    # model, status, code, attempts on the requested model, answered by a fallback; of the attempts
    # those that reach the provider are counted there
    ("nosuch", 400, "model_not_allowed", 1, False),
    ("context", 400, "prompt_rejected", 1, False),
    ("badparam", 400, "prompt_rejected", 1, False),
    ("status-413", 400, "prompt_rejected", 1, False),
    ("status-429", 429, "rate_limited", 3, True),
    ("status-429-after-90", 429, "rate_limited", 1, True),
    ("limited", 429, "rate_limited", 1, True),
    ("broke", 429, "budget_exhausted", 1, True),
    ("status-401", 502, "upstream_failed", 2, True),
    ("status-403", 502, "upstream_failed", 2, True),
    ("status-404", 502, "upstream_failed", 2, True),
    ("status-500", 502, "upstream_failed", 2, True),
    ("status-503", 502, "upstream_failed", 2, True),
    ("status-529", 502, "upstream_failed", 2, True),
    ("refused", 502, "upstream_failed", 2, True),
    ("hang", 504, "gateway_timeout", 2, True),
    ("html", 502, "upstream_failed", 2, True),
    ("garbage", 502, "upstream_failed", 2, True),
]
WHOLE_ONLY = [
    ("cut", 502, "upstream_failed", 2, True),
    ("cutclean", 502, "upstream_failed", 2, True),
]
ENDS_AT_THE_GATEWAY = {"nosuch", "limited", "broke", "refused"}
SLOWEST_SECONDS = 10.0
LONGEST_USE = 5.0
SECRETS = ("secret upstream detail", "sk-", "litellm", "OpenAIException", "127.0.0.1")


async def use_up(service: Service, model: str) -> None:
    """A limit or a budget refuses only what comes after it was reached, and booked."""
    if model not in {"limited", "broke"}:
        return
    # A limit holds for a minute of the clock.
    left = 60 - time.time() % 60
    if left < LONGEST_USE:
        await asyncio.sleep(left + 0.1)
    for _ in range(50):
        async with service.post("/llm/complete", model=model, prompt="use up") as r:
            await r.read()
        if r.status == 429 or "priced" in await r.text():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{model} has no end")


async def both_ways(service: Service, status: int, code: str, **body: Any) -> list[dict[str, Any]]:
    """The same problem as a whole answer and where a stream was asked for."""

    async def one(path: str) -> dict[str, Any]:
        async with service.post(path, **body) as r:
            return await check_problem(r, status, code)

    return list(await asyncio.gather(one("/llm/complete"), one("/llm/stream")))


async def check_problem(r: Any, status: int, code: str) -> dict[str, Any]:
    assert r.status == status, await r.text()
    assert (r.version, r.reason) == (aiohttp.HttpVersion11, HTTPStatus(status).phrase)
    assert r.content_type == "application/problem+json"
    body: dict[str, Any] = await r.json()
    assert (body["code"], body["status"]) == (code, status)
    assert body["type"] == f"urn:problem:{code}"
    assert body["title"]
    assert body["detail"].endswith(".")
    assert body["request_id"] == r.headers["X-Request-ID"]
    assert len(body["trace_id"]) == 32
    if status in (429, 503):
        assert int(r.headers["Retry-After"]) == body["retry_after"] >= 1
    assert not [secret for secret in SECRETS if secret in str(body)]
    return body


@pytest.mark.parametrize(("model", "status", "code", "tries"), [row[:4] for row in THROUGH_LITELLM])
async def test_what_litellm_answers_has_one_name(
    gateway: RunningGateway,
    provider: RunningProvider,
    lane: str,
    model: str,
    status: int,
    code: str,
    tries: int,
) -> None:
    prompt = f"one name for {model}, {lane}"
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        await use_up(service, model)
        began = time.monotonic()
        for body in await both_ways(service, status, code, model=model, prompt=prompt):
            assert [a["outcome"] for a in body["attempts"]] == [code] * tries
            assert [a["status"] for a in body["attempts"]] == [status] * tries
        assert time.monotonic() - began < SLOWEST_SECONDS
    asked = 0 if model in ENDS_AT_THE_GATEWAY else 2 * tries
    assert len(provider.seen.for_prompt(prompt)) == asked, "whole and streamed"


@pytest.mark.parametrize(("model", "status", "code", "tries"), [row[:4] for row in WHOLE_ONLY])
async def test_a_broken_answer_has_one_name(
    gateway: RunningGateway,
    provider: RunningProvider,
    lane: str,
    model: str,
    status: int,
    code: str,
    tries: int,
) -> None:
    prompt = f"broken {model}, {lane}"
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", model=model, prompt=prompt) as r:
            body = await check_problem(r, status, code)
    assert [a["outcome"] for a in body["attempts"]] == [code] * tries
    assert len(provider.seen.for_prompt(prompt)) == tries


@pytest.mark.parametrize(
    ("model", "status", "code", "tries", "replaced"), [*THROUGH_LITELLM, *WHOLE_ONLY]
)
async def test_a_fallback_answers_only_where_the_contract_says_so(
    gateway: RunningGateway,
    lane: str,
    model: str,
    status: int,
    code: str,
    tries: int,
    replaced: bool,
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_fallback_models=("openai/priced",))
    async with serving_alone(settings) as service:
        await use_up(service, model)
        async with service.post("/llm/complete", model=model, prompt=f"{model}, {lane}") as r:
            body = await r.json()
    if not replaced:
        assert r.status == status
        assert [a["model"] for a in body["attempts"]] == [model]
        return
    assert r.status == 200, body
    assert (body["requested_model"], body["model"]) == (model, "priced")
    assert [a["outcome"] for a in body["attempts"]] == [code] * tries + ["ok"]
    assert [a["model"] for a in body["attempts"]] == [model] * tries + ["priced"]


async def test_a_wrong_key_is_the_operators_matter_and_never_tried_again(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(
        gateway.url, key="sk-wrong", llm_client=lane, llm_fallback_models=("priced",)
    )
    async with serving(settings) as service:
        for path in ("/llm/complete", "/llm/stream"):
            async with service.post(path, prompt="key") as r:
                body = await check_problem(r, 502, "gateway_key_rejected")
            assert len(body["attempts"]) == 1


async def test_an_unreachable_gateway_is_tried_once_more_and_no_model_replaced(lane: str) -> None:
    settings = settings_for(
        f"http://127.0.0.1:{free_port()}/v1", llm_client=lane, llm_fallback_models=("priced",)
    )
    async with serving_alone(settings) as service:
        for path in ("/llm/complete", "/llm/stream"):
            async with service.post(path, prompt="gone") as r:
                body = await check_problem(r, 503, "gateway_unavailable")
            assert [a["model"] for a in body["attempts"]] == ["ok", "ok"]
        async with service.get("/health/ready") as r:
            assert r.status == 503
        async with service.get("/health/live") as r:
            assert r.status == 200


async def test_a_rate_limit_is_waited_for_as_long_as_the_gateway_asks(
    gateway: RunningGateway, lane: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", model="status-429-after-1", prompt="wait") as r:
            body = await check_problem(r, 429, "rate_limited")
    assert r.headers["Retry-After"] == "1"
    assert [a["wait_ms"] >= 1000 for a in body["attempts"]] == [False, True, True]


async def test_a_rate_limit_past_the_deadline_is_not_waited_for(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_timeout_seconds=60)
    async with serving(settings) as service:
        async with service.post("/llm/complete", model="status-429-after-90", prompt="no") as r:
            body = await check_problem(r, 429, "rate_limited")
    assert r.headers["Retry-After"] == "90"
    assert len(body["attempts"]) == 1


async def test_no_answer_before_the_deadline_is_a_timeout_at_the_deadline(
    provider: RunningProvider, lane: str
) -> None:
    settings = settings_for(
        provider.url, llm_client=lane, llm_timeout_seconds=1, llm_fallback_models=("priced",)
    )
    async with serving(settings) as service:
        for path in ("/llm/complete", "/llm/stream"):
            began = time.monotonic()
            async with service.post(path, model="hang", prompt="deadline") as r:
                await check_problem(r, 504, "gateway_timeout")
            assert 0.9 < time.monotonic() - began < 3


@asynccontextmanager
async def gateway_that_answers(**response: Any) -> AsyncIterator[str]:
    """Something that is not LiteLLM, on the gateway's address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(**response)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with listening(app) as url:
        yield f"{url}/v1"


HTML = "<html>secret upstream detail</html>"
BUDGET = '{"error": {"message": "over", "type": "budget_exceeded", "code": "429"}}'
COOLDOWN = '{"error": {"message": "wait", "type": "all_deployments_in_cooldown", "code": "429"}}'


@pytest.mark.parametrize(
    ("response", "status", "code"),
    [
        ({"status": 502, "text": HTML}, 503, "gateway_unavailable"),
        ({"status": 503, "text": ""}, 503, "gateway_unavailable"),
        ({"status": 504, "text": HTML}, 504, "gateway_timeout"),
        ({"status": 401, "text": HTML}, 502, "gateway_key_rejected"),
        ({"status": 429, "text": BUDGET}, 429, "budget_exhausted"),
        ({"status": 422, "text": BUDGET.replace("429", "422")}, 429, "budget_exhausted"),
        ({"status": 429, "text": COOLDOWN}, 502, "upstream_failed"),
        ({"status": 200, "text": HTML, "content_type": "text/html"}, 502, "upstream_failed"),
        ({"status": 200, "text": ""}, 502, "upstream_failed"),
        ({"status": 200, "text": "null"}, 502, "upstream_failed"),
        ({"status": 200, "text": "{}"}, 502, "upstream_failed"),
    ],
)
async def test_what_is_not_litellm_has_a_name_too(
    lane: str, response: dict[str, Any], status: int, code: str
) -> None:
    async with gateway_that_answers(**response) as url:
        async with serving_alone(settings_for(url, llm_client=lane)) as service:
            await both_ways(service, status, code, prompt="not litellm")


async def test_a_redirect_takes_neither_prompt_nor_key_elsewhere(
    provider: RunningProvider, lane: str
) -> None:
    prompt = f"redirect, {lane}"
    elsewhere = {"status": 307, "headers": {"Location": f"{provider.url}/chat/completions"}}
    async with gateway_that_answers(**elsewhere) as url:
        async with serving_alone(settings_for(url, llm_client=lane)) as service:
            for path in ("/llm/complete", "/llm/stream"):
                async with service.post(path, prompt=prompt) as r:
                    await check_problem(r, 502, "upstream_failed")
    assert provider.seen.for_prompt(prompt) == []


async def test_too_many_calls_in_flight_are_refused_and_the_others_go_on(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_max_in_flight=2)
    async with serving_alone(settings) as service:
        first = [
            asyncio.create_task(fetch(service, "/llm/complete", "silent-1")),
            asyncio.create_task(fetch(service, "/llm/stream", "silent-1")),
        ]
        while service.admission.in_flight < 2:
            await asyncio.sleep(0.01)
        async with service.post("/llm/complete", prompt="one too many") as r:
            await check_problem(r, 503, "overloaded")
        assert await asyncio.gather(*first) == [200, 200]
        async with service.post("/llm/complete", prompt="room again") as r:
            assert r.status == 200


async def fetch(service: Service, path: str, model: str) -> int:
    async with service.post(path, model=model, prompt="in flight") as r:
        await r.read()
        return int(r.status)


async def test_a_shutdown_lets_the_open_stream_end_and_takes_nothing_new(
    gateway: RunningGateway, lane: str
) -> None:
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/stream", model="silent-1", prompt="drain") as stream:
            service.admission.draining = True
            async with service.post("/llm/complete", prompt="new") as r:
                await check_problem(r, 503, "draining")
            async with service.get("/health/ready") as r:
                assert (r.status, (await r.json())["status"]) == (503, "draining")
            events = await read_stream(stream)
    assert events[-1].name == "done"


async def test_when_the_grace_of_a_shutdown_is_over_every_call_ends_with_a_word_of_its_own(
    provider: RunningProvider, lane: str
) -> None:
    before = len(provider.seen.for_prompt("grace"))
    async with serving_alone(settings_for(provider.url, llm_client=lane)) as service:
        async with service.post("/llm/stream", model="drip", prompt="grace") as stream:
            unopened = asyncio.create_task(refused(service, "/llm/stream"))
            whole = asyncio.create_task(refused(service, "/llm/complete"))
            # litellm that is cancelled before it has sent its request leaves a coroutine behind.
            while len(provider.seen.for_prompt("grace")) < before + 3:
                await asyncio.sleep(0.01)
            assert service.admission.in_flight == 3
            service.admission.draining = True
            service.admission.end_the_grace()
            events = await read_stream(stream)
        assert (events[-1].name, events[-1].data["code"]) == ("error", "draining")
        assert events[-1].data["status"] == 503
        await asyncio.gather(unopened, whole)
        assert service.admission.in_flight == 0


async def refused(service: Service, path: str) -> None:
    async with service.post(path, model="silent-30", prompt="grace") as r:
        await check_problem(r, 503, "draining")


async def test_a_gateway_that_never_answers_proves_neither_key_nor_model(lane: str) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = settings_for(f"http://127.0.0.1:{port}/v1", llm_client=lane, llm_timeout_seconds=1)
    async with serving(settings) as service, service.get("/llm/test") as r:
        body = await check_problem(r, 504, "gateway_timeout")
    server.close()
    await server.wait_closed()
    assert [check["ok"] for check in body["checks"]] == [True, None, None, False, None]
