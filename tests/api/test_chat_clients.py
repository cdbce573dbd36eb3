"""What is particular to a lane: the fast way under litellm's wrapper, and models on a laptop."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from api.errors import UpstreamFailed
from api.gateway.attribution import Attribution, Solution
from api.gateway.chat_client import ChatClient, ChatRead, ChatRequest, Ending, TokenUsage
from api.gateway.key import GatewayKey
from api.gateway.peer import Gateway
from api.gateway.stream_reader import reads_of_bytes
from api.gateway.wire_client import WireClient
from api.litellm_client.answers import next_of, raw_response, reads_of_chunks
from api.litellm_client.client import LitellmClient
from api.litellm_client.local_models import LocalModels
from api.litellm_client.opened import opened
from chassis.http.client_body import loop_time
from chassis.project_id import ProjectId
from conftest import RunningProvider
from provider import WORDS
from reading import read_stream, text_of
from running import MASTER_KEY, answering_completions, listening, serving, settings_for

LOCAL = "ollama/llama3.1"


def call_to(alias: str, prompt: str = "lanes") -> ChatRequest:
    return ChatRequest(
        alias=alias,
        messages=[{"role": "user", "content": prompt}],
        options={},
        max_tokens=50,
        attribution=Attribution(ProjectId("demo"), Solution("desk"), "ab" * 16),
        traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01",
        deadline=loop_time() + 20,
    )


@dataclass
class Heard:
    """A stream as it came."""

    pieces: list[str]
    ending: Ending


async def heard(reads: AsyncGenerator[ChatRead]) -> Heard:
    """Reads a stream to its end, after checks that every lane's stream has to pass."""
    async with aclosing(reads):
        all_reads = [read async for read in reads]
    *before, last = all_reads
    assert last.ending is not None, "the last read has the ending"
    assert [read for read in before if read.ending is not None] == [], "and only the last"
    return Heard([text for read in all_reads for text in read.texts], last.ending)


async def wrapper_of(lane: LitellmClient, call: ChatRequest) -> Any:
    return await lane._ask(call, stream=True, stream_options={"include_usage": True})


@pytest.mark.parametrize("model", ["ok", "long", "filtered", "empty"])
async def test_the_fast_way_is_there_in_the_pinned_litellm_and_says_what_the_slow_one_does(
    provider: RunningProvider, model: str
) -> None:
    lane = LitellmClient(20, provider.url, GatewayKey(MASTER_KEY))
    async with aclosing(await wrapper_of(lane, call_to(model))) as wrapper:
        raw = raw_response(wrapper)
        assert raw is not None, "litellm has changed: the lane would fall back to the slow way"
        reads = reads_of_bytes(next_of(raw.aiter_bytes()), raw.headers, loop_time() + 20)
        fast = await heard(reads)
    async with aclosing(await wrapper_of(lane, call_to(model))) as wrapper:
        slow = await heard(reads_of_chunks(wrapper, loop_time() + 20))
    async with Gateway(provider.url, GatewayKey(MASTER_KEY)) as gateway:
        wire = await heard(WireClient(gateway).stream(call_to(model)))
    assert fast == wire
    assert slow.ending == fast.ending
    assert "".join(slow.pieces) == "".join(fast.pieces)
    assert fast.ending.usage is not None


async def test_the_fast_way_is_the_one_that_is_taken(provider: RunningProvider) -> None:
    lane = LitellmClient(20, provider.url, GatewayKey(MASTER_KEY))
    with pytest.raises(UpstreamFailed, match="finish_reason"):
        await heard(lane.stream(call_to("cutclean")))


@pytest.fixture(params=["wire", "litellm", "wire with local models", "litellm with local models"])
async def every_lane(
    request: pytest.FixtureRequest, provider: RunningProvider
) -> AsyncIterator[ChatClient]:
    """Each lane that the composition root can make."""
    client, _, more = str(request.param).partition(" ")
    settings = settings_for(provider.url, llm_client=client, llm_allow_local_models=bool(more))
    async with Gateway(provider.url, GatewayKey(MASTER_KEY)) as gateway:
        wire = WireClient(gateway)
        lane = opened(settings, 20, gateway, wire) if settings.needs_litellm else wire
        await lane.warm_up()
        yield lane


async def test_every_lane_answers_whole_and_streamed_alike(every_lane: ChatClient) -> None:
    reply = await every_lane.complete(call_to("ok"))
    streamed = await heard(every_lane.stream(call_to("ok")))
    assert reply.text == "".join(streamed.pieces) == "".join(WORDS)
    assert streamed.pieces == WORDS
    assert reply.ending == streamed.ending
    assert reply.ending.usage == TokenUsage(11, 7, 0, 18)


async def test_a_lanes_stream_that_is_closed_closes_the_gateway_call(
    every_lane: ChatClient, provider: RunningProvider, request: pytest.FixtureRequest
) -> None:
    prompt = f"close, {request.node.name}"
    async with aclosing(every_lane.stream(call_to("drip", prompt))) as reads:
        await anext(reads)
    (call,) = provider.seen.for_prompt(prompt)
    async with asyncio.timeout(1):
        while not call.aborted:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def gateway_that_answers(body: dict[str, Any]) -> AsyncIterator[Gateway]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    async with (
        answering_completions(answer) as url,
        Gateway(url, GatewayKey(MASTER_KEY)) as gateway,
    ):
        yield gateway


# A half that is missing cannot be told in the litellm lane: litellm makes it 0.
@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -1, "completion_tokens": 7, "total_tokens": 6},
        {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 99},
    ],
)
async def test_both_lanes_make_the_same_of_a_usage_that_is_not_whole(usage: Any) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "ok", "usage": usage}
    answer = body | {"choices": [choice | {"finish_reason": "stop"}]}
    async with gateway_that_answers(answer) as gateway:
        wire = await WireClient(gateway).complete(call_to("ok"))
        litellm = await LitellmClient(20, gateway.url, gateway.key).complete(call_to("ok"))
    assert litellm.ending.usage == wire.ending.usage


@dataclass
class Ollama:
    """A small server that speaks Ollama's wire, and keeps what it was asked."""

    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def spoken(path: str, text: str, **more: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    said: dict[str, Any] = {"message": message} if "chat" in path else {"response": text}
    line = {"model": "llama3.1", "created_at": "2026-11-22T05:00:00Z", "done": False}
    return json.dumps(line | said | more).encode() + b"\n"


@asynccontextmanager
async def running_ollama() -> AsyncIterator[Ollama]:
    ollama = Ollama()
    counted = {"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2}

    async def generate(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        ollama.asked.append((request.path, body))
        if body.get("stream") is not True:
            answer = spoken(request.path, "Hello there", **counted)
            return web.Response(body=answer, content_type="application/json")
        stream = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await stream.prepare(request)
        for text in ("Hello", " there"):
            await stream.write(spoken(request.path, text))
        await stream.write(spoken(request.path, "", **counted))
        await stream.write_eof()
        return stream

    app = web.Application()
    app.router.add_post("/api/generate", generate)
    app.router.add_post("/api/chat", generate)
    async with listening(app) as ollama.url:
        yield ollama


@pytest.mark.parametrize("model", [LOCAL, "ollama_chat/llama3.1"])
async def test_a_local_model_is_asked_directly_and_the_gateway_never(
    provider: RunningProvider, lane: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = f"local, {lane}, {model}"
    settings = settings_for(provider.url, llm_client=lane, llm_allow_local_models=True)
    async with running_ollama() as ollama, serving(settings) as service:
        monkeypatch.setenv("OLLAMA_API_BASE", ollama.url)
        async with service.post("/llm/complete", model=model, prompt=prompt, max_tokens=9) as r:
            answer = await r.json()
        async with service.post("/llm/stream", model=model, prompt=prompt, max_tokens=9) as r:
            events = await read_stream(r)
        async with service.post("/llm/complete", prompt=f"{prompt}, but remote") as r:
            assert r.status == 200
    assert answer["text"] == text_of(events) == "Hello there"
    done = events[-1].data
    for said in (answer, done):
        assert said["model"] == model
        assert said["finish_reason"] == "stop"
        assert said["usage"]["input_tokens"] == 5
        assert said["usage"]["output_tokens"] == 2
        assert said["cost_usd"] is None
    assert len(ollama.asked) == 2
    for path, body in ollama.asked:
        assert path == ("/api/chat" if "chat" in model else "/api/generate")
        assert body["model"] == "llama3.1"
        assert body["options"]["num_predict"] == 9
        assert prompt in json.dumps(body)
        assert "project_id" not in json.dumps(body), "there is nobody to book it"
    assert provider.seen.for_prompt(prompt) == []
    assert len(provider.seen.for_prompt(f"{prompt}, but remote")) == 1


async def test_without_leave_for_local_models_the_alias_goes_to_the_gateway_as_it_is(
    provider: RunningProvider, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = f"not local, {lane}"
    async with running_ollama() as ollama:
        monkeypatch.setenv("OLLAMA_API_BASE", ollama.url)
        async with serving(settings_for(provider.url, llm_client=lane)) as service:
            for path in ("/llm/complete", "/llm/stream"):
                async with service.post(path, model=LOCAL, prompt=prompt) as r:
                    assert r.status == 200
                    await r.read()
    assert ollama.asked == []
    assert [call.body["model"] for call in provider.seen.for_prompt(prompt)] == [LOCAL, LOCAL]


async def test_a_local_model_that_is_not_there_is_a_failure_with_a_name(
    provider: RunningProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", "http://127.0.0.1:9")
    settings = settings_for(provider.url, llm_allow_local_models=True)
    async with serving(settings) as service:
        for path in ("/llm/complete", "/llm/stream"):
            async with service.post(path, model=LOCAL, prompt="nobody there") as r:
                body = await r.json()
            assert (r.status, body["code"]) == (503, "gateway_unavailable")
            assert "127.0.0.1" not in str(body)


def test_all_lanes_are_lanes_to_the_type_checker(provider: RunningProvider) -> None:
    through_litellm: ChatClient = LitellmClient(20, provider.url, GatewayKey(MASTER_KEY))
    lanes: list[ChatClient] = [through_litellm, LocalModels(through_litellm, 20)]
    wire: type[ChatClient] = WireClient
    for lane in (*lanes, wire):
        for name in ("complete", "stream", "warm_up"):
            assert callable(getattr(lane, name))
