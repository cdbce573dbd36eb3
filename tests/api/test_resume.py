"""`Last-Event-ID`: a reader that was cut off goes on with the same, once paid generation."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from conftest import RunningProvider
from local.openai_wire import chunk, last_chunks
from reading import Event, events_of, read_stream, text_of
from running import RunningGateway, Service, answering_completions, serving_alone, settings_for

PATH = "/llm/stream"
EVENT_SOURCE = {"Accept": "text/event-stream", "X-Project-ID": "demo"}


async def read_some(response: aiohttp.ClientResponse, count: int) -> list[Event]:
    """That many events; then the connection is cut."""
    assert response.status == 200, await response.text()
    events: list[Event] = []
    async for event in events_of(response):
        if isinstance(event, Event):
            events.append(event)
        if len(events) == count:
            break
    response.close()
    return events


async def resume(
    service: Service, last: str | int, headers: dict[str, str] | None = None, **query: Any
) -> tuple[int, list[Event]]:
    """Comes back as an `EventSource` does; the status, and the events of a 200."""
    sent = (headers or EVENT_SOURCE) | {"Last-Event-ID": str(last)}
    async with service.http.get(service.url + PATH, params=query, headers=sent) as r:
        if r.status != 200:
            return r.status, []
        return 200, [event async for event in events_of(r) if isinstance(event, Event)]


def ids(events: list[Event]) -> list[int]:
    return [int(event.id) for event in events]


async def test_a_reader_that_comes_back_goes_on_live_and_misses_nothing(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    query: dict[str, Any] = {"prompt": f"come back, {lane}", "model": "drip-20"}
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        url = service.url + PATH
        async with service.http.get(url, params=query, headers=EVENT_SOURCE) as r:
            before = await read_some(r, 4)
        await asyncio.sleep(0.3)
        status, after = await resume(service, before[-1].id, **query)
    assert status == 200
    assert ids(before + after) == list(range(1, len(before + after) + 1)), "each event once"
    assert text_of(before + after) == "".join(f"{n} " for n in range(20))
    assert after[-1].name == "done"
    assert len(provider.seen.for_prompt(query["prompt"])) == 1, "one paid generation"


@pytest.mark.parametrize("seen", [1, 3, 5])
async def test_for_two_minutes_after_its_end_a_stream_is_told_from_where_it_was_left(
    provider: RunningProvider, seen: int
) -> None:
    query: dict[str, Any] = {"prompt": f"replay {seen}"}
    async with serving_alone(settings_for(provider.url)) as service:
        async with service.http.get(service.url + PATH, params=query, headers=EVENT_SOURCE) as r:
            whole = await read_stream(r)
        status, rest = await resume(service, seen, **query)
        assert (status, rest) == (200, whole[seen:])
        assert await resume(service, whole[-1].id, **query) == (204, []), "nothing was missed"
    assert len(provider.seen.for_prompt(query["prompt"])) == 1


async def test_a_post_resumes_as_a_get_does(provider: RunningProvider) -> None:
    body = {"prompt": "resume a post", "model": "drip-20"}
    headers = {"X-Project-ID": "demo"}
    async with serving_alone(settings_for(provider.url)) as service:
        async with service.http.post(service.url + PATH, json=body, headers=headers) as r:
            before = await read_some(r, 3)
        again = headers | {"Last-Event-ID": before[-1].id}
        async with service.http.post(service.url + PATH, json=body, headers=again) as r:
            after = [event async for event in events_of(r) if isinstance(event, Event)]
    assert ids(before + after) == list(range(1, len(before + after) + 1))
    assert after[-1].name == "done"
    assert len(provider.seen.for_prompt("resume a post")) == 1


@pytest.mark.parametrize("last", ["99", "-1", "junk", "1e3", "٣", "9" * 30, "0"])
async def test_what_is_no_event_of_a_stream_here_is_204_and_no_new_call(
    provider: RunningProvider, last: str
) -> None:
    query: dict[str, Any] = {"prompt": f"unknown {last}"}
    async with serving_alone(settings_for(provider.url)) as service:
        assert await resume(service, last, **query) == (204, [])
    assert provider.seen.for_prompt(query["prompt"]) == []


@pytest.mark.parametrize(
    "changed", [{"prompt": "another"}, {"max_tokens": 7}, {"project": "other"}]
)
async def test_nobody_is_given_the_stream_of_another_question_or_project(
    provider: RunningProvider, changed: dict[str, Any]
) -> None:
    query: dict[str, Any] = {"prompt": f"mine {changed}"}
    project = changed.pop("project", "demo")
    async with serving_alone(settings_for(provider.url)) as service:
        async with service.http.get(service.url + PATH, params=query, headers=EVENT_SOURCE) as r:
            await read_stream(r)
        headers = EVENT_SOURCE | {"X-Project-ID": project}
        assert await resume(service, 3, headers, **(query | changed)) == (204, [])


async def test_of_two_streams_with_one_question_neither_is_guessed_but_a_name_tells_them_apart(
    provider: RunningProvider,
) -> None:
    query: dict[str, Any] = {"prompt": "twins", "model": "drip-20"}
    named = query | {"idempotency_key": "the-second"}
    async with serving_alone(settings_for(provider.url)) as service:
        url = service.url + PATH
        async with (
            service.http.get(url, params=query, headers=EVENT_SOURCE) as first,
            service.http.get(url, params=query, headers=EVENT_SOURCE) as second,
            service.http.get(url, params=named, headers=EVENT_SOURCE) as third,
        ):
            await asyncio.gather(*(read_some(r, 3) for r in (first, second, third)))
        assert await resume(service, 3, **query) == (204, [])
        status, rest = await resume(service, 3, **named)
    assert (status, rest[-1].name) == (200, "done")


@pytest.mark.parametrize("lengths", [(6000, 5), (10, 5, 9, 3)])
async def test_a_stream_whose_events_are_not_kept_any_more_is_not_taken_for_its_twin(
    lengths: tuple[int, ...],
) -> None:
    coming = iter(lengths)

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for n in range(next(coming)):
            await stream.write(chunk("m", {"content": f"{n} "}))
        await stream.write(last_chunks("m", "stop", 1))
        return stream

    async with answering_completions(answer) as url, serving_alone(settings_for(url)) as service:
        for _ in lengths:
            async with service.post(PATH, prompt="twins") as r:
                await read_stream(r)
        for seen in (4, 7):
            headers = {"X-Project-ID": "demo", "Last-Event-ID": str(seen)}
            body = {"prompt": "twins"}
            async with service.http.post(service.url + PATH, json=body, headers=headers) as r:
                assert r.status == 204


async def test_a_named_stream_that_is_asked_for_again_is_told_from_its_beginning(
    provider: RunningProvider,
) -> None:
    headers = {"X-Project-ID": "demo", "Idempotency-Key": "a-stream"}
    body = {"prompt": "named stream"}
    async with serving_alone(settings_for(provider.url)) as service:
        url = service.url + PATH
        async with service.http.post(url, json=body, headers=headers) as r:
            first = await read_stream(r)
        async with service.http.post(url, json=body, headers=headers) as r:
            second = await read_stream(r)
        async with service.http.post(url, json=body | {"max_tokens": 9}, headers=headers) as r:
            problem = await r.json()
    assert first == second
    assert (r.status, problem["code"]) == (422, "idempotency_key_reused")
    assert len(provider.seen.for_prompt("named stream")) == 1


async def test_a_stream_that_is_given_two_names_is_refused(provider: RunningProvider) -> None:
    query = {"prompt": "two names", "idempotency_key": "one"}
    async with serving_alone(settings_for(provider.url)) as service:
        for name, status in [("two", 422), ("a b", 422), ("one", 200)]:
            headers = EVENT_SOURCE | {"Idempotency-Key": name}
            async with service.http.get(service.url + PATH, params=query, headers=headers) as r:
                assert r.status == status
                await r.read()
    assert len(provider.seen.for_prompt("two names")) == 1


async def test_a_named_stream_that_failed_is_made_anew(provider: RunningProvider) -> None:
    headers = {"X-Project-ID": "demo", "Idempotency-Key": "a-failure"}
    body = {"prompt": "named failure", "model": "status-400"}
    async with serving_alone(settings_for(provider.url)) as service:
        for _ in range(2):
            async with service.http.post(service.url + PATH, json=body, headers=headers) as r:
                assert r.status == 400
    assert len(provider.seen.for_prompt("named failure")) == 2


async def test_an_event_source_is_waited_for_and_the_call_is_closed_when_it_stays_away(
    provider: RunningProvider,
) -> None:
    query: dict[str, Any] = {"prompt": "stays away", "model": "drip"}
    settings = settings_for(provider.url, llm_stream_resume_seconds=1.5)
    async with serving_alone(settings) as service:
        async with service.http.get(service.url + PATH, params=query, headers=EVENT_SOURCE) as r:
            await read_some(r, 3)
        left = time.monotonic()
        (call,) = provider.seen.for_prompt("stays away")
        while not call.aborted:
            assert time.monotonic() - left < 4
            await asyncio.sleep(0.02)
        assert time.monotonic() - left > 1.2
        status, rest = await resume(service, 3, **query)
        assert service.admission.in_flight == 0
    assert status == 200
    assert (rest[-1].name, rest[-1].data["code"]) == ("error", "stream_interrupted")
    assert ids(rest) == list(range(4, 4 + len(rest)))


async def test_any_other_client_has_half_a_second_to_come_back(
    provider: RunningProvider, lane: str
) -> None:
    prompt = f"half a second, {lane}"
    async with serving_alone(settings_for(provider.url, llm_client=lane)) as service:
        async with service.post(PATH, model="drip", prompt=prompt) as r:
            await read_some(r, 3)
        left = time.monotonic()
        (call,) = provider.seen.for_prompt(prompt)
        while not call.aborted:
            assert time.monotonic() - left < 1
            await asyncio.sleep(0.01)
        assert time.monotonic() - left > 0.3


async def test_two_readers_of_one_stream_are_told_the_same(provider: RunningProvider) -> None:
    query: dict[str, Any] = {"prompt": "two readers", "model": "drip-20", "idempotency_key": "two"}
    async with serving_alone(settings_for(provider.url)) as service:
        url = service.url + PATH

        async def reader() -> list[Event]:
            async with service.http.get(url, params=query, headers=EVENT_SOURCE) as r:
                return await read_stream(r)

        first, second = await asyncio.gather(reader(), reader())
    assert first == second
    assert len(provider.seen.for_prompt("two readers")) == 1
