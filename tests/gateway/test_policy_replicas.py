"""Two real gateways and a real Redis: they have one budget between them.

Each answer of `priced` costs 0.025 USD.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest
import yaml
from redis.asyncio import Redis as Client

from asking import Caller
from conftest import RunningProvider
from policy.ledgers.spend_redis import key_of
from redis_server import NO_REDIS, Redis, running_redis
from running import running_gateway

pytestmark = NO_REDIS

PROJECTS = {"shared": {"usd_per_month": 1.0}, "away": {"usd_per_month": 50.0}}
CALLS, IN_FLIGHT, PAID_FOR = 200, 20, 40


@dataclass
class Replicas:
    first: Caller
    second: Caller
    redis: Redis


@pytest.fixture(scope="module")
async def replicas(
    provider: RunningProvider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"projects": PROJECTS}))
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running_redis(folder))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        first, second = [
            await stack.enter_async_context(running_gateway(provider.url, overlay, REDIS_URL=url))
            for url in (redis.url, redis.url)
        ]
        yield Replicas(
            Caller(http, first.url, first.key), Caller(http, second.url, second.key), redis
        )


async def booked(redis: Redis) -> dict[str, float]:
    """What Redis holds of all months, by name."""
    async with Client.from_url(redis.url, decode_responses=True) as client:
        (key,) = await client.keys(key_of("2*"))
        assert await client.ttl(key) > 31 * 86400
        return {str(name): float(usd) for name, usd in (await client.hgetall(key)).items()}


async def test_they_overspend_by_the_calls_in_flight_at_most(
    replicas: Replicas, provider: RunningProvider
) -> None:
    room = asyncio.Semaphore(IN_FLIGHT)

    async def call(number: int) -> int:
        async with room:
            caller = (replicas.first, replicas.second)[number % 2]
            said = await caller.ask("priced", project="shared", stream=number % 4 > 1)
            assert said.status == 200 or said.error == (429, "budget_exceeded")
            return said.status

    before = len(provider.seen.calls)
    statuses = await asyncio.gather(*map(call, range(CALLS)))
    passed = statuses.count(200)
    assert PAID_FOR <= passed <= PAID_FOR + IN_FLIGHT
    assert len(provider.seen.calls) == before + passed
    async with asyncio.timeout(5):
        while (await booked(replicas.redis))["project shared"] != pytest.approx(passed * 0.025):
            await asyncio.sleep(0.1)


async def test_while_redis_is_away_nothing_passes_that_has_a_budget(replicas: Replicas) -> None:
    assert (await replicas.first.ask("priced", project="away")).status == 200
    await replicas.redis.pause()
    try:
        for caller in (replicas.first, replicas.second):
            said = await caller.ask("priced", project="away")
            assert said.error == (503, "budget_unavailable")
            assert said.wait == 5
            assert (await caller.ask("priced", project="without")).status == 200
    finally:
        replicas.redis.go_on()
    assert (await replicas.first.ask("priced", project="away")).status == 200
    assert (await replicas.second.ask("priced", project="away")).status == 200
    await asyncio.sleep(0.5)
    spent = await booked(replicas.redis)
    assert spent["project away"] == pytest.approx(0.075)
    assert spent["project without"] >= 0.05
