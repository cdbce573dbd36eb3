"""The caller names a model, and nothing else by it: no address, no key, no provider of ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from local.openai_wire import answer
from running import MASTER_KEY, Service, listening, serving_alone, settings_for

FOREIGN = [
    "azure/x",
    "anthropic/claude-3",
    "gemini/x",
    "vertex_ai/x",
    "bedrock/x",
    "huggingface/a/b",
    "ollama/x",
    "litellm_proxy/x",
    "text-completion-openai/x",
    "openai_like/x",
    "github_copilot/x",
    "openai/openai/x",
    "OLLAMA/x",
    "gpt-3.5-turbo-instruct",
    "whisper-1",
    "ft:gpt-3.5-turbo:org",
    "a:b@c/d.e_f-g",
]
MALFORMED = [
    "",
    "/",
    "..",
    "../x",
    "x/..",
    "openai/../x",
    "openai/",
    "openai//x",
    "a/./b",
    "a/",
    "/etc/passwd",
    ".hidden",
    "a b",
    "a\n",
    "a\0b",
    "a\x1b[2J",
    "a\\b",
    "a?b",
    "a#b",
    "a%2fb",
    "http://127.0.0.1:9/x",
    "m\u00f6del",
    "\u202ex",
    "ok;x",
    "x" * 201,
]


@asynccontextmanager
async def listening_gateway() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """One that takes any call at any address; its base URL, and all that it was asked."""
    asked: list[web.Request] = []

    async def take(request: web.Request) -> web.StreamResponse:
        await request.read()
        asked.append(request)
        body = answer((await request.json())["model"], "Paris.", "stop", 1)
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with listening(app) as url:
        yield f"{url}/v1", asked


async def said_to(service: Service, model: str) -> tuple[int, dict[str, Any]]:
    async with service.post("/llm/complete", prompt="hi", model=model) as r:
        return r.status, await r.json()


async def test_whatever_a_model_is_called_the_gateway_is_asked_for_it_with_our_key(
    lane: str,
) -> None:
    async with listening_gateway() as (url, asked):
        async with serving_alone(settings_for(url, llm_client=lane)) as service:
            for model in FOREIGN:
                status, said = await said_to(service, model)
                assert (status, said["model"]) == (200, model.removeprefix("openai/"))
    assert len(asked) == len(FOREIGN)
    for request, model in zip(asked, FOREIGN, strict=True):
        assert (request.method, request.path) == ("POST", "/v1/chat/completions")
        assert request.headers["Authorization"] == f"Bearer {MASTER_KEY}"
        body = await request.json()
        assert body.keys() == {"model", "messages", "max_tokens", "metadata"}
        assert body["model"] == model.removeprefix("openai/")


async def test_a_name_that_would_lead_litellm_to_another_api_is_refused_and_blames_no_gateway() -> (
    None
):
    names = ["responses/x", "openai/responses/x", "gpt-5-codex", "o1-pro"]
    async with listening_gateway() as (url, asked):
        async with serving_alone(settings_for(url, llm_client="litellm")) as service:
            for _ in range(3):
                for model in names:
                    status, said = await said_to(service, model)
                    assert (status, said["code"]) == (400, "model_not_allowed")
            assert asked == []
            assert (await said_to(service, "ok"))[0] == 200, "no breaker is open"


@pytest.mark.parametrize("local", [False, True])
async def test_a_path_or_a_control_character_is_no_model(lane: str, local: bool) -> None:
    async with listening_gateway() as (url, asked):
        settings = settings_for(url, llm_client=lane, llm_allow_local_models=local)
        async with serving_alone(settings) as service:
            for model in [*MALFORMED, *(f"ollama/{name}" for name in MALFORMED)]:
                status, said = await said_to(service, model)
                assert (status, said["code"]) == (422, "invalid_request"), model
                assert [error["loc"] for error in said["errors"]] == [["body", "model"]]
                query = {"prompt": "hi", "model": model}
                async with service.get("/llm/stream", **query) as r:
                    said = await r.json()
                assert (r.status, said["code"]) == (422, "invalid_request"), model
                assert [error["loc"] for error in said["errors"]] == [["query", "model"]]
    assert asked == []
