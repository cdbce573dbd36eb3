"""A ticket opens the one stream it was given for, once, and soon."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis as Client

from api.tickets.tickets import (
    BYTES_OF_A_CALLER,
    KEPT_BYTES,
    LIFETIME_SECONDS,
    Grant,
    TicketsInMemory,
)
from chassis.errors import Overloaded
from chassis.identity.callers import ANONYMOUS, Caller
from guarded import ADA, VERA, Guarded, guarded
from reading import Event, events_of, read_stream, text_of
from redis_server import NO_REDIS, running_redis
from running import serving_alone, settings_for

SHOWN = {"Accept": "text/event-stream"}


async def ticket(scene: Guarded, *, headers: dict[str, str] | None = None, **body: Any) -> str:
    body = body or {"prompt": "Hello"}
    async with scene.ask(path="/llm/stream-ticket", headers=headers, json=body) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        given = await response.json()
        assert given.keys() == {"ticket", "expires_in"}
        assert given["expires_in"] == LIFETIME_SECONDS == 30
        return str(given["ticket"])


def use(scene: Guarded, ticket: str, more: str = "", **options: Any) -> Any:
    """As an EventSource does: no header says who it is, or for which project."""
    options.setdefault("headers", SHOWN)
    path = f"/llm/stream?ticket={ticket}{more}"
    return scene.ask("GET", path, project=None, authorization=None, **options)


async def assert_refused(response: Any, status: int = 401, code: str = "unauthenticated") -> None:
    assert (response.status, (await response.json())["code"]) == (status, code)


async def test_a_ticket_opens_the_stream_of_its_body_for_its_caller_and_project() -> None:
    async with guarded() as scene:
        given = await ticket(
            scene,
            messages=[{"role": "user", "content": "Hello"}],
            temperature=0.5,
            max_tokens=7,
            session_id="s-1",
        )
        assert scene.calls == []
        async with use(scene, given) as response:
            events = await read_stream(response)
        assert events[0].data["project_id"] == "demo"
        assert events[-1].name == "done"
        (call,) = scene.calls
        assert call.body["messages"] == [{"role": "user", "content": "Hello"}]
        assert (call.body["temperature"], call.body["max_tokens"]) == (0.5, 7)
        assert call.body["metadata"]["session_id"] == "s-1"
        assert call.body["metadata"]["trace_user_id"] == ADA


async def test_a_ticket_is_used_up_by_its_first_use() -> None:
    async with guarded() as scene:
        given = await ticket(scene)
        async with use(scene, given) as response:
            await read_stream(response)
        for headers in (SHOWN, SHOWN | {"Last-Event-ID": "1"}):
            async with use(scene, given, headers=headers) as response:
                await assert_refused(response)
        assert len(scene.calls) == 1


async def test_of_many_who_use_a_ticket_at_once_one_gets_in() -> None:
    async with guarded() as scene:
        given = await ticket(scene)

        async def status() -> int:
            async with use(scene, given) as response:
                await response.read()
                return int(response.status)

        statuses = await asyncio.gather(*(status() for _ in range(20)))
        assert sorted(statuses) == [200] + [401] * 19
        assert len(scene.calls) == 1


@pytest.mark.parametrize(
    "more", ["&prompt=Other", "&model=slow", "&max_tokens=9", "&prompt=Hello&max_tokens=1025"]
)
async def test_a_ticket_is_for_no_other_body(more: str) -> None:
    async with guarded() as scene:
        async with use(scene, await ticket(scene), more) as response:
            await assert_refused(response)
        assert scene.calls == []


async def test_the_query_may_repeat_what_the_ticket_is_for() -> None:
    async with guarded() as scene:
        given = await ticket(scene, prompt="Hello", model="ok", max_tokens=9)
        more = "&prompt=Hello&model=ok&max_tokens=9&project_id=demo"
        async with use(scene, given, more) as response:
            await read_stream(response)


async def test_a_ticket_is_for_no_other_project() -> None:
    async with guarded() as scene:
        scene.openfga.allowed.add((f"user:{ADA}", "can_execute", "project:other"))
        async with use(scene, await ticket(scene), "&project_id=other") as response:
            await assert_refused(response, 400, "project_invalid")
        headers = {"X-Project-ID": "other"}
        async with use(scene, await ticket(scene), headers=headers) as response:
            await assert_refused(response, 400, "project_invalid")
        assert scene.calls == []


async def test_a_ticket_goes_with_no_other_credential() -> None:
    async with guarded() as scene:
        headers = {"Authorization": f"Bearer {scene.token(sub=VERA)}"}
        async with use(scene, await ticket(scene), headers=headers) as response:
            await assert_refused(response)
        first, second = await ticket(scene), await ticket(scene)
        async with use(scene, first, f"&ticket={second}") as response:
            await assert_refused(response)
        assert scene.calls == []


@pytest.mark.parametrize("made_up", ["", "x", "A" * 43, "%00", "..%2f..", "%F0%9F%8E%9F", "*"])
async def test_a_ticket_that_was_never_given_is_refused(made_up: str) -> None:
    async with guarded() as scene:
        async with use(scene, made_up, "&prompt=Hello&project_id=demo") as response:
            await assert_refused(response)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/llm/stream?ticket={}"),
        ("POST", "/llm/complete?ticket={}"),
        ("GET", "/llm/models?ticket={}"),
        ("GET", "/llm/test?ticket={}"),
        ("POST", "/llm/stream-ticket?ticket={}"),
        ("GET", "/llm/stream/?ticket={}"),
        ("GET", "/llm/stream?Ticket={}"),
    ],
)
async def test_a_ticket_opens_nothing_else(method: str, path: str) -> None:
    async with guarded() as scene:
        given = await ticket(scene)
        async with scene.ask(method, path.format(given), authorization=None) as response:
            await assert_refused(response)
        assert scene.calls == []


async def test_what_was_revoked_meanwhile_a_ticket_does_not_open() -> None:
    async with guarded() as scene:
        given = await ticket(scene)
        scene.openfga.allowed.clear()
        await asyncio.sleep(5.2)
        async with use(scene, given) as response:
            await assert_refused(response, 403, "permission_denied")
        assert scene.calls == []


async def test_a_body_that_is_not_valid_gets_no_ticket() -> None:
    async with guarded() as scene:
        for body in ({}, {"prompt": ""}, {"prompt": "x", "api_key": "sk-1"}):
            async with scene.ask(path="/llm/stream-ticket", json=body) as response:
                await assert_refused(response, 422, "invalid_request")


async def test_a_stream_without_a_prompt_and_without_a_ticket_is_not_valid() -> None:
    async with guarded() as scene, scene.ask("GET", "/llm/stream") as response:
        await assert_refused(response, 422, "invalid_request")


async def test_a_stream_that_was_cut_goes_on_with_a_new_ticket() -> None:
    async with guarded() as scene:
        name = {"Idempotency-Key": "page-1"}
        body = {"prompt": "Hello", "model": "drip-20"}
        first: list[Event] = []
        async with use(scene, await ticket(scene, headers=name, **body)) as response:
            async for event in events_of(response):
                assert isinstance(event, Event)
                first.append(event)
                if len(first) == 5:
                    break
        seen = name | {"Last-Event-ID": first[-1].id}
        async with use(scene, await ticket(scene, headers=seen, **body)) as response:
            assert response.status == 200
            rest = [event async for event in events_of(response) if isinstance(event, Event)]
        ids = [int(event.id) for event in first + rest]
        assert ids == list(range(1, len(ids) + 1))
        assert rest[-1].name == "done"
        assert text_of(first + rest) == "".join(f"{n} " for n in range(20))
        assert len(scene.calls) == 1


async def test_with_auth_disabled_there_are_tickets_too() -> None:
    async with guarded(auth_mode="disabled", openfga_api_url=None, openfga_store_id=None) as scene:
        async with scene.ask(
            path="/llm/stream-ticket", authorization=None, json={"prompt": "Hello"}
        ) as response:
            given = (await response.json())["ticket"]
        async with use(scene, given) as response:
            await read_stream(response)


def grant(body: str = "{}", caller: Caller = ANONYMOUS) -> Grant:
    return Grant(caller, "demo", body, None, None)


async def test_a_ticket_is_over_when_its_time_is() -> None:
    tickets = TicketsInMemory(lifetime=0.1)
    first, second = await tickets.issue(grant()), await tickets.issue(grant())
    assert await tickets.redeem(first) == grant()
    await asyncio.sleep(0.15)
    assert await tickets.redeem(second) is None


async def test_what_is_kept_for_tickets_is_bounded_and_never_another_callers_loss() -> None:
    tickets = TicketsInMemory(lifetime=0.5)
    first = await tickets.issue(grant())
    large = [grant("x" * (KEPT_BYTES // 5), Caller(f"user-{n}", "acme")) for n in range(5)]
    for one in large[:4]:
        assert await tickets.issue(one)
    with pytest.raises(Overloaded):
        await tickets.issue(large[4])
    assert await tickets.redeem(first) == grant()
    await asyncio.sleep(0.6)
    assert await tickets.issue(large[4])


LONG: dict[str, Any] = {"messages": [{"role": "user", "content": "x" * 190_000}] * 5}


async def assert_only_the_greedy_one_gets_none(scene: Guarded) -> None:
    scene.openfga.allowed.add((f"user:{VERA}", "can_execute", "project:demo"))
    for _ in range(BYTES_OF_A_CALLER // 960_000):
        await ticket(scene, **LONG)
    async with scene.ask(path="/llm/stream-ticket", json=LONG) as response:
        await assert_refused(response, 503, "overloaded")
    vera = f"Bearer {scene.token(sub=VERA)}"
    async with scene.ask(path="/llm/stream-ticket", json=LONG, authorization=vera) as response:
        assert response.status == 200


async def test_nobody_takes_the_tickets_of_all_others() -> None:
    async with guarded() as scene:
        await assert_only_the_greedy_one_gets_none(scene)


async def test_a_caller_who_took_too_much_gets_tickets_again_when_their_time_is_over() -> None:
    tickets = TicketsInMemory(lifetime=0.3)
    large = grant("x" * (BYTES_OF_A_CALLER * 2 // 3))
    assert await tickets.issue(large)
    for _ in range(2):
        with pytest.raises(Overloaded):
            await tickets.issue(large)
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)
    assert await tickets.issue(large)


@NO_REDIS
async def test_of_all_replicas_nobody_takes_the_tickets_of_all_others(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        async with guarded(redis_url=SecretStr(redis.url)) as scene:
            await assert_only_the_greedy_one_gets_none(scene)
            async with Client.from_url(redis.url, protocol=2) as client:
                names = [key async for key in client.scan_iter("llm:tickets-of:*")]
                assert len(names) == 2
                assert all([0 < await client.ttl(name) <= 30 for name in names])


@NO_REDIS
async def test_any_replica_takes_the_ticket_and_only_one_of_them(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        async with guarded(redis_url=SecretStr(redis.url)) as scene:
            settings = settings_for(
                "http://127.0.0.1:9/v1",
                redis_url=SecretStr(redis.url),
                auth_mode="keycloak",
                keycloak_issuer_url=scene.realm.issuer,
                keycloak_audience="solution-api",
                llm_default_model="ok",
            )
            async with serving_alone(settings) as other:
                given = await ticket(scene)
                url = f"{other.url}/llm/stream?ticket={given}"
                async with other.http.get(url, headers=SHOWN) as response:
                    # 1. The other one's gateway is not there, but it knows who calls.
                    assert (await response.json())["code"] == "gateway_unavailable"
                async with use(scene, given) as response:
                    await assert_refused(response)
                given = await ticket(scene)
                async with use(scene, given) as response:
                    await read_stream(response)


@NO_REDIS
async def test_what_redis_keeps_of_a_ticket_opens_nothing(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        async with guarded(redis_url=SecretStr(redis.url)) as scene:
            given = await ticket(scene)
            async with Client.from_url(redis.url, protocol=2) as client:
                (name,) = [key async for key in client.scan_iter("llm:ticket:*")]
                assert given not in name.decode()
                assert given not in str(await client.get(name))
                assert 0 < await client.ttl(name) <= 30


@NO_REDIS
async def test_with_redis_away_no_ticket_is_given_or_taken(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        async with guarded(redis_url=SecretStr(redis.url)) as scene:
            given = await ticket(scene)
            await redis.stop()
            async with scene.ask(path="/llm/stream-ticket") as response:
                await assert_refused(response, 503, "state_unavailable")
            async with use(scene, given) as response:
                await assert_refused(response, 503, "state_unavailable")
            assert scene.calls == []
