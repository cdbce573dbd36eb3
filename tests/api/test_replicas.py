"""Two replicas and a real Redis: what one of them began, the other one knows."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr
from redis.asyncio import Redis as Client

from api.attribution import ProjectId
from api.call_key import call_key
from api.events import EventEncoder
from api.llm import Deltas
from api.redis_answers import Record
from api.schemas import CompletionRequest
from conftest import RunningProvider
from reading import Event, events_of, read_stream, text_of
from redis_server import NO_REDIS, Redis, running_redis
from running import Service, serving_alone, settings_for

pytestmark = NO_REDIS
EVENT_SOURCE = {"Accept": "text/event-stream", "X-Project-ID": "demo"}


@dataclass
class Replicas:
    first: Service
    second: Service
    redis: Redis
    stacks: tuple[AsyncExitStack, AsyncExitStack]


@asynccontextmanager
async def two_replicas(folder: Path, url: str, **changes: Any) -> AsyncIterator[Replicas]:
    async with running_redis(folder) as redis:
        settings = settings_for(url, redis_url=SecretStr(redis.url), **changes)
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            yield Replicas(
                await first.enter_async_context(serving_alone(settings)),
                await second.enter_async_context(serving_alone(settings)),
                redis,
                (first, second),
            )


async def ask(service: Service, key: str, **body: Any) -> tuple[int, bytes, bool]:
    headers = {"X-Project-ID": "demo", "Idempotency-Key": key}
    async with service.http.post(service.url + "/llm/complete", json=body, headers=headers) as r:
        return r.status, await r.read(), r.headers.get("Idempotent-Replayed") == "true"


async def test_a_call_with_a_name_is_made_once_by_all_replicas_together(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = {"prompt": "once by all", "model": "silent-0.5"}
    async with two_replicas(tmp_path, provider.url) as both:
        services = [both.first, both.second] * 10
        answers = await asyncio.gather(*(ask(service, "k", **body) for service in services))
        assert {answer[:2] for answer in answers} == {(200, answers[0][1])}
        assert sorted(answer[2] for answer in answers) == [False] + [True] * 19
        for service in (both.first, both.second):
            assert (await ask(service, "k", **body))[1:] == (answers[0][1], True)
            assert (await ask(service, "k", prompt="another"))[0] == 422
    assert len(provider.seen.for_prompt("once by all")) == 1
    assert provider.seen.for_prompt("another") == []


async def test_a_failure_on_one_replica_is_told_by_the_other_and_not_kept(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = {"prompt": "failure by all", "model": "silent-30"}
    async with two_replicas(tmp_path, provider.url, llm_timeout_seconds=1) as both:
        first = asyncio.create_task(ask(both.first, "f", **body))
        await asyncio.sleep(0.3)
        told = await ask(both.second, "f", **body)
        assert told[0] == (await first)[0] == 504
        assert b'"attempts"' in told[1]
        assert len(provider.seen.for_prompt("failure by all")) == 1
        assert (await ask(both.second, "f", prompt="failure by all"))[0] == 200


async def test_a_replica_that_dies_during_a_call_leaves_it_to_another(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = {"prompt": "dies", "model": "silent-1"}
    async with two_replicas(tmp_path, provider.url) as both:
        first = asyncio.create_task(ask(both.first, "d", **body))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(ask(both.second, "d", **body))
        await asyncio.sleep(0.3)
        await both.stacks[0].aclose()
        first.cancel()
        assert (await second)[0] == 200
    assert len(provider.seen.for_prompt("dies")) == 2


async def test_without_redis_a_call_with_a_name_is_refused_and_any_other_is_made(
    provider: RunningProvider, tmp_path: Path
) -> None:
    async with two_replicas(tmp_path, provider.url) as both:
        await both.redis.stop()
        began = time.monotonic()
        status, text, _ = await ask(both.first, "r", prompt="no redis")
        assert (status, b'"state_unavailable"' in text) == (503, True)
        assert time.monotonic() - began < 5
        async with both.first.post("/llm/complete", prompt="no name") as r:
            assert r.status == 200
        async with both.first.post("/llm/stream", prompt="no name") as r:
            assert (await read_stream(r))[-1].name == "done"
    assert provider.seen.for_prompt("no redis") == []


async def read_some(service: Service, query: dict[str, Any], count: int) -> list[Event]:
    url = service.url + "/llm/stream"
    events: list[Event] = []
    async with service.http.get(url, params=query, headers=EVENT_SOURCE) as r:
        async for event in events_of(r):
            if isinstance(event, Event):
                events.append(event)
            if len(events) == count:
                break
        r.close()
    return events


async def resume(service: Service, query: dict[str, Any], last: str) -> tuple[int, list[Event]]:
    url, headers = service.url + "/llm/stream", EVENT_SOURCE | {"Last-Event-ID": last}
    async with service.http.get(url, params=query, headers=headers) as r:
        return r.status, [event async for event in events_of(r) if isinstance(event, Event)]


async def test_a_reader_comes_back_to_another_replica_and_misses_nothing(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "other replica", "model": "drip-60"}
    async with two_replicas(tmp_path, provider.url, llm_stream_resume_seconds=2) as both:
        before = await read_some(both.first, query, 5)
        await asyncio.sleep(0.3)
        status, after = await resume(both.second, query, before[-1].id)
        assert status == 200
        assert [int(e.id) for e in before + after] == list(range(1, len(before + after) + 1))
        assert text_of(before + after) == "".join(f"{n} " for n in range(60))
        assert after[-1].name == "done"
        assert await resume(both.second, query, after[-1].id) == (204, [])
        again = await resume(both.second, query, before[-1].id)
        assert again == (200, after)
    assert len(provider.seen.for_prompt("other replica")) == 1


async def test_what_no_replica_knows_is_204(provider: RunningProvider, tmp_path: Path) -> None:
    async with two_replicas(tmp_path, provider.url) as both:
        assert await resume(both.second, {"prompt": "nobody knows"}, "3") == (204, [])
        await both.redis.stop()
        assert await resume(both.second, {"prompt": "nobody knows"}, "3") == (204, [])
    assert provider.seen.for_prompt("nobody knows") == []


async def test_a_stream_whose_replica_goes_down_ends_with_an_error_event(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "goes down", "model": "drip"}
    async with two_replicas(tmp_path, provider.url) as both:
        before = await read_some(both.first, query, 5)
        reader = asyncio.create_task(resume(both.second, query, before[-1].id))
        await asyncio.sleep(0.5)
        await both.stacks[0].aclose()
        status, after = await reader
    assert status == 200
    assert (after[-1].name, after[-1].data["code"]) == ("error", "stream_interrupted")
    ids = [int(event.id) for event in before + after]
    assert ids == list(range(1, len(ids) + 1))


async def test_a_lease_that_runs_out_lets_another_replica_make_the_call(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = CompletionRequest.model_validate({"prompt": "a lease runs out"})
    key = call_key("complete", ProjectId("demo"), "anybody", body, "crashed")
    async with two_replicas(tmp_path, provider.url) as both:
        async with Client.from_url(both.redis.url) as redis:
            record = msgspec.msgpack.encode(Record(key.body, "the-run-of-a-dead-replica"))
            await redis.set(f"llm:answer:{key.digest}", record, px=1000)
        began = time.monotonic()
        status, _, replayed = await ask(both.first, "crashed", prompt="a lease runs out")
        assert (status, replayed) == (200, False)
        assert time.monotonic() - began > 0.8
    assert len(provider.seen.for_prompt("a lease runs out")) == 1


async def test_a_stream_of_a_replica_that_crashed_ends_with_an_error_event(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "a crash"}
    key = call_key(
        "stream", ProjectId("demo"), "anybody", CompletionRequest.model_validate(query), None
    )
    async with two_replicas(tmp_path, provider.url) as both:
        async with Client.from_url(both.redis.url) as redis:
            await redis.hset(f"llm:streams:{key.digest}", "run", key.body)
            encoder = EventEncoder()
            data = encoder.encode(Deltas(["one", "two", "three"]))
            await redis.xadd("llm:events:run", {"first": 1, "last": 3, "data": data})
        status, rest = await resume(both.first, query, "1")
    assert status == 200
    assert [(event.id, event.name) for event in rest] == [
        ("2", "delta"),
        ("3", "delta"),
        ("4", "error"),
    ]
    assert provider.seen.for_prompt("a crash") == []
