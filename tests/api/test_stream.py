"""`POST` and `GET /llm/stream` through the real gateway, in both lanes."""

import asyncio
from typing import Any

import aiohttp
import pytest

from conftest import RunningProvider
from provider import Call
from reading import Event, events_of, read_stream, text_of
from running import RunningGateway, serving, serving_alone, settings_for

SENTENCE = "Paris is the capital of France."


async def the_call(provider: RunningProvider, prompt: str) -> Call:
    for _ in range(100):
        if calls := provider.seen.for_prompt(prompt):
            return calls[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"the provider never saw {prompt!r}")


async def is_aborted(call: Call, seconds: float) -> bool:
    for _ in range(int(seconds / 0.02)):
        if call.aborted:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_stream_is_meta_then_deltas_then_done(gateway: RunningGateway, lane: str) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/stream", model="priced", prompt="stream") as r:
            events = await read_stream(r)
    assert r.headers["Cache-Control"] == "no-store"
    assert r.headers["X-Accel-Buffering"] == "no"
    meta, *deltas, done = events
    assert text_of(events) == SENTENCE
    assert len(deltas) == 7, "a delta for each of the gateway's chunks"
    assert meta.data["requested_model"] == "priced"
    assert done.name == "done"
    assert meta.data.items() <= done.data.items()
    assert done.data["status"] == "complete"
    assert done.data["usage"]["total_tokens"] == 18
    assert done.data["cost_usd"] == 0.025
    assert [a["outcome"] for a in done.data["attempts"]] == ["ok"]


async def test_a_stream_says_all_that_an_answer_says_but_its_text(
    gateway: RunningGateway, lane: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/complete", prompt="same") as r:
            answer = await r.json()
        async with service.post("/llm/stream", prompt="same") as r:
            done = (await read_stream(r))[-1]
    assert done.data.keys() == answer.keys() - {"text"}


async def test_the_local_model_streams_to_an_event_source(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_default_model="gemini-3.5-flash")
    query = {"prompt": "What is the capital of France?", "project_id": "demo"}
    accept = {"Accept": "text/event-stream"}
    async with serving(settings) as service:
        url = service.url + "/llm/stream"
        async with service.http.get(url, params=query, headers=accept) as r:
            events = await read_stream(r)
    assert "Paris" in text_of(events)
    assert events[-1].data["status"] == "complete"
    assert events[-1].data["project_id"] == "demo"


async def test_a_reconnecting_event_source_is_told_to_stop(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    prompt = f"reconnect, {lane}"
    headers = {"Last-Event-ID": "3", "X-Project-ID": "demo"}
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        url = service.url + "/llm/stream"
        async with service.http.get(url, params={"prompt": prompt}, headers=headers) as r:
            assert r.status == 204
    assert provider.seen.for_prompt(prompt) == [], "no second paid generation"


@pytest.mark.parametrize(
    ("model", "status"), [("long", "truncated"), ("filtered", "filtered"), ("empty", "empty")]
)
async def test_a_stream_that_is_not_complete_says_so(
    gateway: RunningGateway, lane: str, model: str, status: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/stream", model=model, prompt="honest?") as r:
            events = await read_stream(r)
    assert events[-1].name == "done"
    assert events[-1].data["status"] == status


async def test_a_stream_cut_after_the_first_delta_is_interrupted_and_not_tried_again(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    prompt = f"cut once, {lane}"
    settings = settings_for(gateway.url, llm_client=lane, llm_fallback_models=("ok",))
    async with serving(settings) as service:
        async with service.post("/llm/stream", model="cut", prompt=prompt) as r:
            events = await read_stream(r)
    assert text_of(events) == "Paris is the capital"
    error = events[-1]
    assert (error.name, error.data["code"]) == ("error", "stream_interrupted")
    assert error.data["attempts"][-1]["outcome"] == "stream_interrupted"
    assert "Response payload" not in str(error.data), "no upstream text"
    assert len(provider.seen.for_prompt(prompt)) == 1


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_until_the_gateways_first_event_a_failure_keeps_its_status(
    gateway: RunningGateway, lane: str, method: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        request: Any = service.post if method == "POST" else service.get
        async with request("/llm/stream", model="nosuch", prompt="x") as r:
            body = await r.json()
    assert r.status == 400
    assert r.content_type == "application/problem+json"
    assert body["code"] == "model_not_allowed"


async def test_when_patience_ends_the_stream_starts_and_a_failure_is_an_event(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_stream_patience_seconds=0.3)
    async with serving(settings) as service:
        async with service.post("/llm/stream", model="hang", prompt="patience") as r:
            events = await read_stream(r)
    assert [event.name for event in events] == ["meta", "error"]
    assert (events[-1].data["code"], events[-1].data["status"]) == ("gateway_timeout", 504)


async def test_when_patience_ends_retries_and_fallbacks_go_on_behind_the_stream(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(
        gateway.url, llm_client=lane, llm_stream_patience_seconds=0.3, llm_fallback_models=("ok",)
    )
    async with serving(settings) as service:
        async with service.post("/llm/stream", model="hang", prompt="go on") as r:
            events = await read_stream(r)
    assert text_of(events) == SENTENCE
    assert events[-1].data["model"] == "ok"
    assert events[0].data["requested_model"] == "hang"


async def test_a_silent_model_is_kept_alive_by_pings(gateway: RunningGateway) -> None:
    settings = settings_for(gateway.url, llm_stream_patience_seconds=0.1, llm_timeout_seconds=16.5)
    async with serving(settings) as service:
        async with service.post("/llm/stream", model="silent-30", prompt="ping") as r:
            seen = [e if isinstance(e, str) else e.name async for e in events_of(r)]
    assert seen == ["meta", ": ping", "error"]


@pytest.mark.parametrize("path", ["/llm/stream", "/llm/complete"])
@pytest.mark.parametrize("patience", [0.2, 10])
async def test_a_client_that_leaves_before_the_first_token_ends_the_gateway_call(
    provider: RunningProvider, lane: str, path: str, patience: float
) -> None:
    prompt = f"leave early, {lane}, {path}, {patience}"
    settings = settings_for(provider.url, llm_client=lane, llm_stream_patience_seconds=patience)
    async with serving_alone(settings) as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                async with service.post(path, model="silent-30", prompt=prompt) as r:
                    await r.read()
        call = await the_call(provider, prompt)
        assert await is_aborted(call, 1.0), "the gateway still works for nobody after a second"
        assert service.admission.in_flight == 0


async def test_a_client_that_leaves_after_the_first_token_ends_the_providers_call(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    prompt = f"leave late, {lane}"
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        async with service.post("/llm/stream", model="drip", prompt=prompt) as r:
            assert r.status == 200
            async for event in events_of(r):
                if isinstance(event, Event) and event.name == "delta":
                    break
            r.close()
        call = await the_call(provider, prompt)
        assert await is_aborted(call, 1.0), "the provider still streams after a second"
        assert service.admission.in_flight == 0


async def test_many_clients_that_leave_busy_streams_end_all_of_their_calls(
    provider: RunningProvider,
) -> None:
    prompt = "a crowd leaves"
    async with serving_alone(settings_for(provider.url)) as service:

        async def reader() -> aiohttp.ClientResponse:
            response: aiohttp.ClientResponse = await service.post(
                "/llm/stream", model="torrent", prompt=prompt
            )
            await response.content.readany()
            return response

        responses = await asyncio.gather(*(reader() for _ in range(100)))
        for response in responses:
            response.close()
        calls = provider.seen.for_prompt(prompt)
        assert len(calls) == 100
        for _ in range(100):
            if service.admission.in_flight == 0:
                break
            await asyncio.sleep(0.05)
        assert service.admission.in_flight == 0
        assert all([await is_aborted(call, 1.0) for call in calls])
