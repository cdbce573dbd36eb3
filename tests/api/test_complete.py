"""`POST /llm/complete` through the real gateway, in both lanes."""

import re
from typing import Any

import aiohttp
import pytest

from api import NAME
from conftest import RunningProvider
from running import RunningGateway, serving, settings_for

QUESTION = "What is the capital of France?"


async def tokens_counted(gateway: RunningGateway) -> tuple[int, int]:
    """Prompt and answer tokens that the local model server has counted so far."""
    root = gateway.local_llm_url.removesuffix("/v1")
    async with aiohttp.ClientSession() as http, http.get(f"{root}/metrics") as response:
        text = await response.text()
    names = ("prompt_tokens_total", "prompt_tokens_cached_total", "tokens_predicted_total")
    read, cached, made = (
        int(float(re.findall(rf"^llamacpp:{name} (\S+)$", text, re.MULTILINE)[0])) for name in names
    )
    return read + cached, made


async def test_the_capital_of_france_is_answered_by_the_model(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_default_model="gemini-3.5-flash")
    before = await tokens_counted(gateway)
    async with serving(settings) as service, service.post("/llm/complete", prompt=QUESTION) as r:
        assert r.status == 200
        answer = await r.json()
    after = await tokens_counted(gateway)
    assert "Paris" in answer["text"]
    assert answer["model"] == answer["requested_model"] == "gemini-3.5-flash"
    assert answer["status"] == "complete"
    assert answer["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["input_tokens"] == after[0] - before[0]
    assert usage["output_tokens"] == after[1] - before[1]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_an_answer_says_everything_the_contract_promises(
    gateway: RunningGateway, lane: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", model="openai/priced", prompt="price") as r:
            answer = await r.json()
            request_id = r.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", answer.pop("trace_id"))
    duration = answer["attempts"][0].pop("duration_ms")
    assert duration >= 0
    assert answer == {
        "text": "Paris is the capital of France.",
        "model": "priced",
        "requested_model": "priced",
        "status": "complete",
        "finish_reason": "stop",
        "max_tokens": 1024,
        "usage": {
            "input_tokens": 11,
            "output_tokens": 7,
            "reasoning_tokens": 0,
            "total_tokens": 18,
        },
        "cost_usd": 0.025,
        "project_id": "demo",
        "solution": NAME,
        "request_id": request_id,
        "attempts": [{"model": "priced", "outcome": "ok", "status": 200, "wait_ms": 0}],
    }


async def test_an_unknown_price_is_null_and_never_zero(gateway: RunningGateway, lane: str) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", prompt="no price") as r:
            assert (await r.json())["cost_usd"] is None


@pytest.mark.parametrize(
    ("model", "status", "finish_reason", "text"),
    [
        ("long", "truncated", "length", "Paris is the capital of France."),
        ("filtered", "filtered", "content_filter", "Paris is the capital of France."),
        ("empty", "empty", "length", ""),
    ],
)
async def test_an_answer_that_is_not_complete_says_so(
    gateway: RunningGateway, lane: str, model: str, status: str, finish_reason: str, text: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", model=model, prompt="honest?") as r:
            answer = await r.json()
    assert r.status == 200
    assert (answer["status"], answer["finish_reason"]) == (status, finish_reason)
    assert answer["text"] == text


async def test_a_thinking_model_gets_room_to_think_and_the_answer_says_so(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    settings = settings_for(
        gateway.url,
        llm_client=lane,
        llm_thinking_models=("openai/empty",),
        llm_repair_empty_answers=False,
    )
    prompt = f"thinking, {lane}"
    async with serving(settings) as service:
        async with service.post("/llm/complete", model="empty", prompt=prompt, max_tokens=30) as r:
            answer = await r.json()
        async with service.post("/llm/complete", model="ok", prompt=prompt, max_tokens=30) as r:
            other = await r.json()
    thinking, plain = provider.seen.for_prompt(prompt)
    assert thinking.body["max_tokens"] == answer["max_tokens"] == 200
    assert plain.body["max_tokens"] == other["max_tokens"] == 30
    assert answer["usage"]["reasoning_tokens"] == 30
    assert answer["status"] == "empty"


async def test_the_provider_gets_what_was_asked_and_no_more(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": f"conversation, {lane}"},
    ]
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        body: dict[str, Any] = {"messages": messages, "temperature": 0.5, "max_tokens": 77}
        async with service.post("/llm/complete", **body) as r:
            assert r.status == 200
    (call,) = provider.seen.for_prompt(f"conversation, {lane}")
    assert call.body == {"model": "ok", "messages": messages, "temperature": 0.5, "max_tokens": 77}
