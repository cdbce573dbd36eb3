"""Two replicas and a real Redis: what one of them began, the other one knows."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import SecretStr
from redis.asyncio import Redis as Client

from api.call_key import call_key
from api.llm.client import Deltas
from api.redis_state.answers import Record
from api.schemas import CompletionRequest
from api.sse_events import EventEncoder
from chassis.identity.callers import ANONYMOUS
from chassis.project_id import ProjectId
from conftest import RunningProvider
from local.openai_wire import chunk, last_chunks
from reading import Event, events_of, read_stream, text_of
from redis_server import NO_REDIS, Redis, running_redis
from running import Service, answering_completions, serving_alone, settings_for

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


def long_answer(pieces: int) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for n in range(pieces // 40):
            numbers = range(40 * n, 40 * n + 40)
            await stream.write(b"".join(chunk("m", {"content": f"{m:060d} "}) for m in numbers))
            await asyncio.sleep(0.02)
        await stream.write(last_chunks("m", "stop", pieces))
        return stream

    return answer


async def test_however_much_is_left_a_reader_on_another_replica_is_told_all_of_it(
    tmp_path: Path,
) -> None:
    query = {"prompt": "long"}
    async with (
        answering_completions(long_answer(4000)) as url,
        two_replicas(tmp_path, url) as both,
        asyncio.timeout(20),
    ):
        before = await read_some(both.first, query, 5)
        status, after = await resume(both.second, query, before[-1].id)
    assert status == 200
    assert text_of(before + after) == "".join(f"{n:060d} " for n in range(4000))
    assert after[-1].name == "done"


async def test_a_named_stream_that_failed_is_made_anew_by_all_replicas(
    provider: RunningProvider, tmp_path: Path
) -> None:
    headers = {"X-Project-ID": "demo", "Idempotency-Key": "a-failure"}
    body = {"prompt": "named failure by all", "model": "status-400"}
    async with two_replicas(tmp_path, provider.url) as both:
        for service in (both.first, both.first, both.second):
            url = service.url + "/llm/stream"
            async with service.http.post(url, json=body, headers=headers) as r:
                assert r.status == 400
            await asyncio.sleep(0.2)
    assert len(provider.seen.for_prompt(body["prompt"])) == 3


async def test_with_redis_too_two_readers_of_one_named_stream_are_told_the_same(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "two readers, redis", "model": "drip-5", "idempotency_key": "two"}
    async with two_replicas(tmp_path, provider.url) as both:
        first, second = await asyncio.gather(*(read_some(both.first, query, 7) for _ in range(2)))
    assert first == second
    assert len(provider.seen.for_prompt(query["prompt"])) == 1


async def test_of_two_streams_with_one_question_on_two_replicas_neither_is_guessed(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "twins", "model": "drip-20"}
    async with two_replicas(tmp_path, provider.url) as both:
        services = (both.first, both.second)
        await asyncio.gather(*(read_some(service, query, 3) for service in services))
        for service in services:
            assert await resume(service, query, "3") == (204, [])


async def test_hundreds_of_streams_at_once_are_all_known_to_the_other_replica(
    provider: RunningProvider, tmp_path: Path
) -> None:
    queries = [{"prompt": f"one of many {n}", "model": "drip-40"} for n in range(200)]
    async with two_replicas(tmp_path, provider.url) as both:
        before = await asyncio.gather(*(read_some(both.first, query, 3) for query in queries))
        for seen, query in list(zip(before, queries, strict=True))[::20]:
            status, after = await resume(both.second, query, "3")
            assert status == 200
            assert text_of(seen + after) == "".join(f"{n} " for n in range(40))


async def left_in_redis(
    redis: Redis, query: dict[str, str], *blocks: list[str] | None, has_ended: bool = False
) -> None:
    """What a replica that is gone has left there of a stream; of None, one event was lost."""
    body = CompletionRequest.model_validate(query)
    key = call_key("stream", ProjectId("demo"), ANONYMOUS, body, None)
    encoder = EventEncoder()
    async with Client.from_url(redis.url) as client:
        await client.zadd(f"llm:streams:{key.digest}", {f"run {key.body}": time.time() + 60})
        for texts in blocks:
            first, data = encoder.last_id + 1, encoder.encode(Deltas(texts or ["lost"]))
            fields: Any = {"first": first, "last": encoder.last_id, "data": data}
            if texts is not None:
                await client.xadd("llm:events:run", fields)
        if has_ended:
            await client.xadd("llm:events:run", {"end": 1})


async def test_what_redis_has_lost_of_a_stream_is_not_passed_over(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "a gap"}
    async with two_replicas(tmp_path, provider.url) as both:
        await left_in_redis(both.redis, query, ["one", "two"], None, ["four"], has_ended=True)
        status, rest = await resume(both.first, query, "1")
    assert status == 200
    assert [event.name for event in rest] == ["delta", "error"]


async def test_what_redis_knows_of_a_stream_is_forgotten_after_it(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = CompletionRequest.model_validate({"prompt": "forgotten"})
    key = call_key("stream", ProjectId("demo"), ANONYMOUS, body, None)
    index = f"llm:streams:{key.digest}"
    async with two_replicas(tmp_path, provider.url) as both:
        async with Client.from_url(both.redis.url) as redis:
            await redis.zadd(index, {f"long-over {key.body}": time.time() - 1})
            async with both.first.post("/llm/stream", prompt="forgotten") as r:
                await read_stream(r)
            await asyncio.sleep(0.3)
            (run,) = await redis.zrange(index, 0, -1)
            assert "long-over" not in str(run)
            for name in await redis.keys("llm:*"):
                assert await redis.ttl(name) >= 0, name


async def test_a_reader_from_another_replica_is_told_of_a_shutdown_too(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "shutdown elsewhere", "model": "drip"}
    async with two_replicas(tmp_path, provider.url) as both:
        before = await read_some(both.first, query, 5)
        reader = asyncio.create_task(resume(both.second, query, before[-1].id))
        await asyncio.sleep(0.5)
        assert both.second.admission.in_flight == 1
        both.second.admission.end_the_grace()
        status, after = await asyncio.wait_for(reader, 2)
    assert status == 200
    assert (after[-1].name, after[-1].data["code"]) == ("error", "draining")


async def test_a_slow_redis_does_not_hold_up_a_reader_that_comes_back(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "slow redis", "model": "drip-60"}
    async with two_replicas(tmp_path, provider.url) as both:
        before = await read_some(both.first, query, 5)
        both.redis.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            status, after = await resume(both.first, query, before[-1].id)
            assert await resume(both.second, query, before[-1].id) == (204, [])
            assert time.monotonic() - began < 60 * 0.05 + 4
        finally:
            both.redis.process.send_signal(signal.SIGCONT)
    assert (status, after[-1].name) == (200, "done")
    assert len(provider.seen.for_prompt(query["prompt"])) == 1


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
    key = call_key("complete", ProjectId("demo"), ANONYMOUS, body, "crashed")
    async with two_replicas(tmp_path, provider.url) as both:
        async with Client.from_url(both.redis.url) as redis:
            record = msgspec.msgpack.encode(Record(key.body, "the-run-of-a-dead-replica"))
            await redis.set(f"llm:answer:{key.digest}", record, px=1000)
        began = time.monotonic()
        status, _, replayed = await ask(both.first, "crashed", prompt="a lease runs out")
        assert (status, replayed) == (200, False)
        assert time.monotonic() - began > 0.8
    assert len(provider.seen.for_prompt("a lease runs out")) == 1


async def test_a_call_is_not_made_again_after_redis_has_lost_its_data(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = {"prompt": "lost data", "model": "silent-4"}
    async with two_replicas(tmp_path, provider.url) as both:
        first = asyncio.create_task(ask(both.first, "l", **body))
        await asyncio.sleep(0.5)
        async with Client.from_url(both.redis.url) as redis:
            await redis.flushall()
        await asyncio.sleep(2)
        assert await ask(both.second, "l", **body) == (*(await first)[:2], True)
    assert len(provider.seen.for_prompt(body["prompt"])) == 1


async def test_a_failure_does_not_take_the_lease_of_another_replica(
    provider: RunningProvider, tmp_path: Path
) -> None:
    body = {"prompt": "not its lease", "model": "silent-30"}
    given = CompletionRequest.model_validate(body)
    key = call_key("complete", ProjectId("demo"), ANONYMOUS, given, "taken")
    name = f"llm:answer:{key.digest}"
    async with two_replicas(tmp_path, provider.url, llm_timeout_seconds=1) as both:
        first = asyncio.create_task(ask(both.first, "taken", **body))
        await asyncio.sleep(0.3)
        async with Client.from_url(both.redis.url) as redis:
            theirs = msgspec.msgpack.encode(Record(key.body, "the-run-of-another"))
            await redis.set(name, theirs, px=5000)
            assert (await first)[0] == 504
            assert await redis.get(name) == theirs


async def test_a_stream_of_a_replica_that_crashed_ends_with_an_error_event(
    provider: RunningProvider, tmp_path: Path
) -> None:
    query = {"prompt": "a crash"}
    async with two_replicas(tmp_path, provider.url) as both:
        await left_in_redis(both.redis, query, ["one", "two", "three"])
        status, rest = await resume(both.first, query, "1")
    assert status == 200
    assert [(event.id, event.name) for event in rest] == [
        ("2", "delta"),
        ("3", "delta"),
        ("4", "error"),
    ]
    assert provider.seen.for_prompt("a crash") == []
