"""What was used is booked once and to the last digit, in a file and in a real Redis alike."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from policy.ledgers import spend_redis
from policy.ledgers.booking import Booking
from policy.ledgers.usage import (
    KEPT_DAYS,
    OTHER,
    Account,
    Batch,
    UsageStore,
    Used,
    day_of,
    picousd,
    usd,
    used,
)
from policy.ledgers.usage_file import UsageFile, opened
from policy.ledgers.usage_redis import UsageInRedis
from policy.outcomes import Outcome
from policy.refusal import PolicyError, Refusal
from redis_server import running_redis

NOW = datetime.now(UTC)
TODAY = day_of(NOW)
EVER = ("2026-01-01", "2099-12-31")
ANSWER = Outcome("m", "200", "demo", "tests", 0.1, 11, 7, 0.1)
DEMO = Account("demo", "tests", "m")


@contextmanager
def file_in(folder: Path) -> Iterator[UsageFile]:
    file = opened(folder / "usage.sqlite")
    with closing(file.database):
        yield file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[UsageFile]:
    with file_in(tmp_path) as found:
        yield found


@asynccontextmanager
async def store_in(kind: str, folder: Path) -> AsyncIterator[UsageStore]:
    if kind == "file":
        with file_in(folder) as file:
            yield file
        return
    if not shutil.which("redis-server"):
        pytest.skip("there is no redis-server (Debian: redis-server)")
    async with running_redis(folder) as redis:
        client = spend_redis.client(redis.url)
        yield UsageInRedis(client)
        await client.connection_pool.disconnect()


@pytest.fixture(params=["file", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[UsageStore]:
    async with store_in(request.param, tmp_path) as found:
        yield found


async def amounts(store: UsageStore) -> dict[Account, Used]:
    """What is booked today."""
    _, rows = await store.read((TODAY, TODAY), NOW)
    return {row.account: row.used for row in rows}


@pytest.mark.parametrize(
    ("status", "tokens", "dollars", "expected"),
    [
        ("200", 7, 0.1, {"answered": 1}),
        ("200", 7, 0.0, {"answered": 1, "unpriced": 1}),
        ("499", 7, 0.1, {"aborted": 1, "estimated": 1, "estimated_picousd": 10**11}),
        ("502", 7, 0.1, {"failed": 1, "estimated": 1, "estimated_picousd": 10**11}),
        ("500", 0, 0.0, {"failed": 1}),
    ],
)
def test_an_attempt_is_booked_by_its_ending_and_what_is_known_of_its_price(
    status: str, tokens: int, dollars: float, expected: Used
) -> None:
    said = replace(ANSWER, status=status, input_tokens=0, output_tokens=tokens, usd=dollars)
    always = {"calls": 1, "output_tokens": tokens, "picousd": picousd(dollars)}
    assert used(said) == {name: n for name, n in (expected | always).items() if n}


@pytest.mark.parametrize(
    ("said", "exact"),
    [
        (0.025, "0.025"),
        (0.009000000000000001, "0.009"),
        (1.25e-06, "0.00000125"),
        (7.5e-12, "0.000000000008"),
        (0.0, "0"),
        (1234567.0, "1234567"),
    ],
)
def test_a_cost_is_rounded_once_to_a_millionth_of_a_millionth(said: float, exact: str) -> None:
    assert usd(picousd(said)) == exact


async def test_a_thousand_dimes_are_a_hundred_dollars(store: UsageStore) -> None:
    booking = Booking(store)
    for _ in range(1000):
        booking.add(ANSWER, NOW)
    booked = await booking.read((TODAY, TODAY))
    assert [(row.account, row.used["calls"], usd(row.used["picousd"])) for row in booked.rows] == [
        (DEMO, 1000, "100")
    ]
    assert sum([0.1] * 1000) != 100, "as floating point would have it"
    assert Decimal(usd(booked.rows[0].used["picousd"])) == 100


async def test_what_is_sent_twice_is_booked_once(store: UsageStore) -> None:
    batch = Batch("one", TODAY, {DEMO: used(ANSWER)})
    await store.book(batch, NOW)
    await store.book(batch, NOW)
    await store.book(replace(batch, id="two"), NOW)
    assert (await amounts(store))[DEMO]["calls"] == 2


async def test_a_refused_call_is_not_booked(store: UsageStore) -> None:
    booking = Booking(store)
    booking.add(replace(ANSWER, seconds=None), NOW)
    assert (await booking.read((TODAY, TODAY))).rows == []


async def test_it_says_since_when_it_books(store: UsageStore) -> None:
    first, _ = await store.read((TODAY, TODAY), NOW)
    again, _ = await store.read((TODAY, TODAY), NOW + timedelta(days=1))
    assert abs(first - NOW) < timedelta(hours=2)  # NOW is as old as this module
    assert again == first


async def test_since_is_never_before_the_oldest_day_that_is_kept(file: UsageFile) -> None:
    with file.database:
        file.database.execute("UPDATE begun SET at = '2026-01-01T00:00:00+00:00'")
    since = (await Booking(file).read((TODAY, TODAY))).since
    assert since.date() == datetime.now(UTC).date() - timedelta(days=KEPT_DAYS - 1)


async def test_what_is_too_old_is_forgotten(file: UsageFile) -> None:
    old = day_of(NOW - timedelta(days=KEPT_DAYS))
    await file.book(Batch("old", old, {DEMO: used(ANSWER)}), NOW)
    kept = day_of(NOW - timedelta(days=KEPT_DAYS - 1))
    await file.book(Batch("kept", kept, {DEMO: used(ANSWER)}), NOW)
    _, rows = await file.read(EVER, NOW)
    assert [row.day for row in rows] == [kept]


async def test_those_that_find_no_room_share_one_account_and_nothing_is_lost(
    file: UsageFile,
) -> None:
    file.most_accounts = 2
    for number, project in enumerate(["a", "b", "c", "d", "a"]):
        account = Account(project, "tests", "m")
        await file.book(Batch(str(number), TODAY, {account: used(ANSWER)}), NOW)
    calls = {account.project: amount["calls"] for account, amount in (await amounts(file)).items()}
    assert calls == {"a": 2, "b": 1, OTHER: 2}


async def test_the_next_start_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    for start in (1, 2):
        with file_in(tmp_path) as file:
            booking = Booking(file)
            booking.add(ANSWER, NOW)
            assert booking.writer is not None
            await booking.writer
            assert (await amounts(file))[DEMO]["calls"] == start


def test_a_file_that_is_none_ends_the_start(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    path.write_text("no database " * 100)
    with pytest.raises(PolicyError, match="remove it to begin anew"):
        opened(path)


async def test_while_redis_is_away_what_is_used_waits_and_nobody_guesses(tmp_path: Path) -> None:
    if not shutil.which("redis-server"):
        pytest.skip("there is no redis-server (Debian: redis-server)")
    async with running_redis(tmp_path) as redis:
        client = spend_redis.client(redis.url)
        booking = Booking(UsageInRedis(client))
        await redis.pause()
        booking.add(ANSWER, NOW)
        with pytest.raises(Refusal) as refused:
            await booking.read((TODAY, TODAY))
        assert (refused.value.status, refused.value.kind) == (503, "usage_unavailable")
        booking.add(ANSWER, NOW)
        redis.go_on()
        booked = await booking.read((TODAY, TODAY))
        assert [row.used["calls"] for row in booked.rows] == [2]
        assert booking.writer is not None
        await asyncio.wait([booking.writer])
        await client.connection_pool.disconnect()
