"""The record while gateways come, go and lose their database, and after its time is over."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, select, update

from audit_writer import event
from postgres_server import PostgresServer
from records import change, emptied, engine_for, found_in, rows_of, without_an_end
from runtime_mcp.audit.chain import START, link
from runtime_mcp.audit.events import AuditUnavailable, Outcome, record_row
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.audit.retention import remove
from runtime_mcp.audit.tables import events, metadata, writers
from runtime_mcp.audit.writer import Writer

KEY = b"a key for the tests of the chain"


@contextlib.asynccontextmanager
async def record(url: str, **more: float) -> AsyncIterator[AuditLog]:
    """A record that is ready."""
    async with AuditLog(url, source_pod="test", **more) as opened:  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            while not await opened.is_ready():
                await asyncio.sleep(0.02)
        yield opened


async def call(opened: AuditLog, number: int = 0) -> str:
    intent = await opened.intent(event(number))
    await opened.outcome(intent, event(number), Outcome("succeeded"))
    return intent


@pytest.fixture
async def empty(database: str) -> str:
    return await emptied(database)


@pytest.fixture
async def ended(empty: str) -> str:
    """A record whose first gateway ended, and whose second one is there."""
    async with record(empty) as first:
        for number in range(3):
            await call(first, number)
    async with record(empty) as second:
        await call(second)
    return empty


async def first_writer(url: str) -> str:
    rows = sorted(await rows_of(url), key=lambda row: row["timestamp"])
    return str(rows[0]["writer"])


async def test_the_steps_make_the_tables_that_are_written(empty: str) -> None:
    def difference(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with record(empty), engine_for(empty) as engine, engine.connect() as connection:
        assert await connection.run_sync(difference) == []


async def test_gateways_that_start_at_once_make_one_record(empty: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        opened = [AuditLog(empty, source_pod=f"pod-{number}") for number in range(4)]
        for each in opened:
            await stack.enter_async_context(each)
        await asyncio.gather(*map(call, opened, range(4)))
    assert len({row["writer"] for row in await rows_of(empty)}) == 4
    assert await found_in(empty) == []


async def test_a_tail_that_is_cut_off_is_found(ended: str) -> None:
    assert await found_in(ended) == []
    writer = await first_writer(ended)
    await change(ended, delete(events).where(events.c.writer == writer, events.c.sequence > 5))
    assert await found_in(ended) == [f"writer {writer}: the events 6 to 7 are missing"]


async def test_a_chain_that_is_gone_is_found(ended: str) -> None:
    writer = await first_writer(ended)
    await change(
        ended,
        delete(events).where(events.c.writer == writer),
        delete(writers).where(writers.c.writer == writer),
    )
    assert await found_in(ended) == [f"writer {writer}: the events 1 to 7 are missing"]


async def test_a_head_that_was_kept_elsewhere_finds_what_the_record_cannot(empty: str) -> None:
    async with record(empty) as only:
        await call(only)
    last = (await rows_of(empty))[-1]
    await change(empty, delete(events).where(events.c.id == last["id"]))
    assert await found_in(empty) == []
    kept = [(last["writer"], last["sequence"], last["hash"])]
    assert await found_in(empty, heads=kept) == [
        f"writer {last['writer']}: the events 3 to 3 are missing"
    ]


async def test_a_cut_under_a_running_gateway_is_a_gap(empty: str) -> None:
    async with record(empty) as running:
        await call(running)
        await change(empty, delete(events).where(events.c.sequence == 3))
        await call(running)
    assert ["1 events before it are missing" in line for line in await found_in(empty)] == [True]


async def test_without_the_key_no_chain_can_be_made_anew(empty: str) -> None:
    async with AuditLog(empty, source_pod="test", key=KEY) as opened:
        for number in range(3):
            await call(opened, number)
    assert await found_in(empty, key=KEY) == []
    previous = START
    for row in await rows_of(empty):
        forged = row | {"actor_id": "eve", "previous_hash": previous}
        previous = forged["hash"] = link(forged)
        await change(empty, update(events).where(events.c.id == row["id"]).values(forged))
    assert await found_in(empty) == []
    assert len(await found_in(empty, key=KEY)) == 7


async def test_what_is_older_than_its_time_is_removed_and_the_rest_stays_whole(ended: str) -> None:
    before = {row["id"] for row in await rows_of(ended)}
    async with record(ended, retention_days=0) as third:
        async with asyncio.timeout(20):
            while before & {row["id"] for row in await rows_of(ended)}:
                await asyncio.sleep(0.05)
        await call(third)
    assert await found_in(ended) == []
    async with record(ended) as fourth:
        await call(fourth)
    assert await found_in(ended) == []
    retained = [row for row in await rows_of(ended) if row["phase"] == "retained"]
    assert len(retained) == 1
    assert await first_writer(ended) in retained[0]["details"]["removed"]
    await change(ended, delete(events).where(events.c.phase == "retained"))
    assert await found_in(ended) != []


async def test_events_within_their_time_stay(ended: str) -> None:
    before = {row["id"] for row in await rows_of(ended)}
    async with record(ended, retention_days=30) as third:
        await asyncio.sleep(0.3)
        await call(third)
    assert before <= {row["id"] for row in await rows_of(ended)}


async def test_a_gateway_that_was_only_silent_still_says_how_its_call_ended(empty: str) -> None:
    async with record(empty, gone=30) as silent:
        intent = await silent.intent(event(1))
        async with record(empty, gone=0.2):
            async with asyncio.timeout(20):
                while await without_an_end(empty):
                    await asyncio.sleep(0.05)
        await silent.outcome(intent, event(1), Outcome("succeeded"))
    ends = [row for row in await rows_of(empty) if row["intent_id"] == intent]
    assert sorted(row["details"]["status"] for row in ends) == ["succeeded", "unknown"]
    assert await found_in(empty) == []


async def test_a_gateway_that_beats_is_not_said_to_have_ended(empty: str) -> None:
    async with record(empty, gone=0.4) as living, record(empty, gone=0.8):
        intent = await living.intent(event(1))
        await asyncio.sleep(2)
        assert await without_an_end(empty) == {intent}
        await living.outcome(intent, event(1), Outcome("succeeded"))
    assert await without_an_end(empty) == set()


async def test_what_is_removed_while_somebody_verifies_is_no_gap(empty: str) -> None:
    async with record(empty) as first:
        for number in range(60):
            await call(first, number)
    rows = await rows_of(empty)
    async with engine_for(empty) as engine:
        writer = Writer(engine, source_pod="test", patience=5)
        writing = asyncio.create_task(writer.run())

        async def removing() -> None:
            for row in rows[:-1]:
                removed = {row["writer"]: (row["sequence"], row["hash"])}
                await writer.write(record_row("retained", {"days": 0, "removed": removed}))
                await remove(engine, removed)

        going = asyncio.create_task(removing())
        while not going.done():
            assert await found_in(empty) == []
        await going
        writing.cancel()
    assert await found_in(empty) == []


async def test_of_two_gateways_that_remove_at_once_the_later_word_takes_nothing_back(
    empty: str,
) -> None:
    async with record(empty) as first:
        for number in range(5):
            await call(first, number)
    rows = await rows_of(empty)
    async with engine_for(empty) as engine:
        writer = Writer(engine, source_pod="test", patience=5)
        writing = asyncio.create_task(writer.run())
        for row in (rows[6], rows[3]):
            removed = {row["writer"]: (row["sequence"], row["hash"])}
            await writer.write(record_row("retained", {"days": 0, "removed": removed}))
            await remove(engine, removed)
        writing.cancel()
    assert await found_in(empty) == []


async def test_a_gateway_starts_before_its_database_and_is_not_ready(
    postgres: PostgresServer,
) -> None:
    await emptied(postgres.url)
    await postgres.kill()
    async with AuditLog(postgres.url, source_pod="test", patience=0.5) as early:
        assert not await early.is_ready()
        with pytest.raises(AuditUnavailable):
            await early.intent(event(0))
        await postgres.start()
        async with asyncio.timeout(30):
            while not await early.is_ready():
                await asyncio.sleep(0.1)
        await call(early)
    assert await without_an_end(postgres.url) == set()
    assert await found_in(postgres.url) == []


async def test_the_outcome_of_a_call_is_written_when_the_database_is_back(
    postgres: PostgresServer,
) -> None:
    await emptied(postgres.url)
    async with record(postgres.url, patience=0.5) as opened:
        intent = await opened.intent(event(0))
        await postgres.kill()
        with pytest.raises(AuditUnavailable):
            await opened.outcome(intent, event(0), Outcome("succeeded"))
        await postgres.start()
        async with asyncio.timeout(30):
            while not await opened.is_ready() or await without_an_end(postgres.url):
                await asyncio.sleep(0.1)
    assert await found_in(postgres.url) == []


async def test_text_that_no_database_takes_costs_its_call_and_no_other(empty: str) -> None:
    async with record(empty) as opened:
        with pytest.raises(AuditUnavailable):
            await opened.intent(replace(event(0), arguments="\ud800", tool="\ud800"))
        await call(opened)
        assert await opened.is_ready()
    assert await found_in(empty) == []


async def test_a_caller_that_leaves_while_its_intent_is_committed_leaves_no_open_call(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    async with record(url) as opened:
        blocker = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        leaving = [asyncio.create_task(opened.intent(event(number))) for number in range(20)]
        await asyncio.sleep(0.3)
        for task in leaving:
            task.cancel()
        blocker.execute("COMMIT")
        blocker.close()
        await asyncio.gather(*leaving, return_exceptions=True)
        await call(opened)
    rows = await rows_of(url)
    assert await without_an_end(url) == set()
    assert {row["details"].get("error") for row in rows if row["phase"] == "outcome"} == {
        None,
        "not_made",
    }


async def test_a_gateway_that_ended_in_order_is_settled_by_the_next(ended: str) -> None:
    async with record(ended):
        async with asyncio.timeout(20):
            while True:
                async with engine_for(ended) as engine, engine.connect() as connection:
                    settled = (await connection.execute(select(writers.c.settled))).scalars()
                    if sorted(settled) == [False, True, True]:
                        break
                await asyncio.sleep(0.05)
