"""The record: what was said to be in it is in it, and nobody changes it unseen."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from audit_writer import event
from postgres_server import PostgresServer
from records import change, emptied, found_in, rows_of, without_an_end
from running import ROOT
from runtime_mcp.audit.events import AuditUnavailable, Outcome
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.audit.tables import events

CALLS = 30


@pytest.fixture
async def url(database: str) -> str:
    """A record of some calls, written at once."""
    url = await emptied(database)
    async with AuditLog(url, source_pod="test") as record:

        async def call(number: int) -> None:
            intent = await record.intent(event(number))
            await record.outcome(intent, event(number), Outcome("succeeded"))

        await asyncio.gather(*map(call, range(CALLS)))
    return url


async def test_calls_at_once_are_one_chain(url: str) -> None:
    rows = await rows_of(url)
    assert [row["sequence"] for row in rows] == list(range(1, 2 * CALLS + 2))
    assert await found_in(url) == []


@pytest.mark.parametrize("column", ["actor_id", "timestamp", "details", "project_id", "hash"])
async def test_an_edit_is_found(url: str, column: str) -> None:
    changed = {"other": 1} if column == "details" else "other"
    await change(url, update(events).where(events.c.sequence == 7).values({column: changed}))
    found = await found_in(url)
    assert any("event 7 " in line and "was changed" in line for line in found)


async def test_a_deleted_event_is_found(url: str) -> None:
    await change(url, delete(events).where(events.c.sequence == 7))
    assert any(
        "event 8 " in line and "1 events before it are missing" in line
        for line in await found_in(url)
    )


async def test_the_command_says_whether_it_is_whole(url: str) -> None:
    def verify() -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).parent / "runtime-mcp")
        return subprocess.run(
            [program, "audit", "verify", "--database-url", url],
            check=False,
            capture_output=True,
            text=True,
        )

    whole = await asyncio.to_thread(verify)
    assert (whole.returncode, whole.stdout) == (0, "The record is whole.\n")
    await change(url, delete(events).where(events.c.sequence == 7))
    broken = await asyncio.to_thread(verify)
    assert broken.returncode == 1
    assert "are missing" in broken.stdout


async def test_an_event_that_the_database_does_not_take_costs_no_other(
    postgres: PostgresServer,
) -> None:
    url = await emptied(postgres.url)
    async with AuditLog(url, source_pod="test") as record:
        bad = replace(event(0), org_id="x" * 1000)
        events_ = [record.intent(bad), *(record.intent(event(number)) for number in range(5))]
        refused, *written = await asyncio.gather(*events_, return_exceptions=True)
    assert isinstance(refused, AuditUnavailable)
    assert all(isinstance(each, str) for each in written)
    assert await found_in(url) == []


async def test_an_intent_has_one_outcome(url: str) -> None:
    first = next(row["id"] for row in await rows_of(url) if row["phase"] == "intent")
    async with AuditLog(url, source_pod="test") as record:
        second = record.outcome(first, event(0), Outcome("failed"))
        others = [record.intent(event(number)) for number in range(5)]
        refused, *written = await asyncio.gather(second, *others, return_exceptions=True)
    assert isinstance(refused, AuditUnavailable)
    assert all(isinstance(each, str) for each in written)
    assert await found_in(url) == []


@pytest.mark.parametrize("kill", range(3))
async def test_after_a_kill_nothing_that_was_recorded_is_lost_and_every_call_has_an_end(
    database: str, kill: int
) -> None:
    url = await emptied(database)
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "tests" / "audit_writer.py"), url),
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    told = [(await writer.stdout.readline()).decode().strip() for _ in range(25 + 7 * kill)]
    writer.kill()
    told += (await writer.stdout.read()).decode().split()
    await writer.wait()
    rows = {row["id"]: row for row in await rows_of(url)}
    assert set(told) <= set(rows)
    assert await found_in(url) == []
    async with AuditLog(url, source_pod="next", gone=0):
        async with asyncio.timeout(20):
            while await without_an_end(url):
                await asyncio.sleep(0.1)
    assert await found_in(url) == []


async def test_a_postgres_that_dies_costs_calls_and_no_events(postgres: PostgresServer) -> None:
    await emptied(postgres.url)
    told: list[str] = []
    refused = 0
    async with AuditLog(postgres.url, source_pod="test", patience=1) as record:

        async def calls(count: int) -> None:
            nonlocal refused
            for number in range(count):
                try:
                    intent = await record.intent(event(number))
                except AuditUnavailable:
                    refused += 1
                else:
                    told.append(intent)

        under_way = [asyncio.create_task(calls(100)) for _ in range(5)]
        while len(told) < 50:
            await asyncio.sleep(0.01)
        await postgres.kill()
        await asyncio.sleep(1.5)
        await postgres.start()
        await asyncio.gather(*under_way)
        async with asyncio.timeout(20):
            while True:
                before = len(told)
                await calls(1)
                if len(told) > before:
                    break
    rows = {row["id"] for row in await rows_of(postgres.url)}
    assert refused
    assert set(told) <= rows
    assert len(told) == len(set(told))
    assert await found_in(postgres.url) == []
