"""The ledger that replicas share, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis as Client

from policy.ledgers.spend import MOST_NAMES
from policy.ledgers.spend_redis import SpendInRedis, connected, key_of
from policy.refusal import Refusal
from redis_server import NO_REDIS, Redis, running_redis

pytestmark = NO_REDIS
MONTH = "2026-11"


Connect = Callable[[], SpendInRedis]


@pytest.fixture
async def connect(redis: Redis) -> AsyncIterator[Connect]:
    """Makes the ledger of one replica."""
    async with AsyncExitStack() as stack:

        def connect() -> SpendInRedis:
            ledger = connected(redis.url)
            stack.push_async_callback(ledger.redis.connection_pool.disconnect)
            return ledger

        yield connect


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    async with running_redis(tmp_path) as running:
        yield running


async def test_what_one_books_the_other_knows(connect: Connect) -> None:
    one, other = connect(), connect()
    await asyncio.gather(*(one.add(["a", "b"], 0.25, MONTH) for _ in range(100)))
    await other.add(["b"], 0.5, MONTH)
    assert await one.spent(["a", "b", "c"], MONTH) == pytest.approx([25.0, 25.5, 0.0])
    assert await one.spent(["a"], "2026-12") == [0.0]


async def test_a_booking_that_hangs_is_booked_once(redis: Redis, connect: Connect) -> None:
    ledger = connect()
    await ledger.add(["a"], 1.0, MONTH)
    await redis.pause()
    await ledger.add(["a"], 1.0, MONTH)
    await ledger.add(["a"], 1.0, MONTH)
    with pytest.raises(Refusal) as refused:
        await ledger.spent(["a"], MONTH)
    assert (refused.value.status, refused.value.kind) == (503, "budget_unavailable")
    redis.go_on()
    assert await ledger.spent(["a"], MONTH) == [3.0]


async def test_many_that_wait_for_a_redis_that_hangs_are_refused_together(
    redis: Redis, connect: Connect
) -> None:
    ledger = connect()
    await redis.pause()
    async with asyncio.timeout(6):
        asked = [ledger.spent(["a"], MONTH) for _ in range(100)]
        refused = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in refused} == {Refusal}
    redis.go_on()


async def test_names_that_find_no_room_share_one_amount(redis: Redis, connect: Connect) -> None:
    async with Client.from_url(redis.url) as client:
        await client.hset(key_of(MONTH), mapping={f"p{n}": 1 for n in range(MOST_NAMES)})
    ledger = connect()
    await ledger.add(["late", "p1"], 2.0, MONTH)
    assert await ledger.spent(["later", "p1", "p2"], MONTH) == [2.0, 3.0, 1.0]
