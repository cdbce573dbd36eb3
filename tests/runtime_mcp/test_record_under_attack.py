"""Calls that are made to be missed by the record are in it."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from audit_writer import event
from records import found_in, rows_of, without_an_end
from runtime_mcp.audit.events import AuditUnavailable, Outcome
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.audit.verify import open_calls
from runtime_mcp.audit.writer import MOST_WAITING
from tool_gateway import ADA, running_tool_gateway

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@contextlib.asynccontextmanager
async def record(folder: Path) -> AsyncIterator[AuditLog]:
    """A record in a file, that is ready."""
    url = f"sqlite:///{folder / 'audit.db'}"
    async with AuditLog(url, source_pod="test", patience=0.5) as opened:
        async with asyncio.timeout(20):
            while not await opened.is_ready():
                await asyncio.sleep(0.02)
        yield opened


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Meanwhile nobody else writes to the record."""
    blocker = sqlite3.connect(folder / "audit.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        blocker.execute("COMMIT")
        blocker.close()


@pytest.mark.parametrize(
    ("tool", "phases"), [("files.fails", ["intent", "outcome"]), ("files.secret", ["denied"])]
)
async def test_half_a_surrogate_pair_hides_no_call(
    tmp_path: Path, tool: str, phases: list[str]
) -> None:
    params = {"name": tool, "arguments": {"text": "\ud800"}, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    headers = {
        "Authorization": f"Bearer {ADA}",
        "X-Project-ID": "demo",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    async with running_tool_gateway(tmp_path, audit_capture_content=True) as gateway:
        async with httpx2.AsyncClient(headers=headers) as http:
            said = await http.post(f"{gateway.url}/mcp", content=body)
        assert "Internal server error" not in said.text
        url = gateway.settings.database_url.get_secret_value()
        rows = [row for row in await rows_of(url) if row["resource_id"] == tool]
        assert [row["phase"] for row in rows] == phases
        assert rows[0]["details"]["arguments"].startswith('{"text":"')
        assert await found_in(url) == []


async def test_who_is_refused_and_leaves_at_once_is_recorded(tmp_path: Path) -> None:
    async with record(tmp_path) as opened:
        with locked(tmp_path):
            before = asyncio.create_task(opened.intent(event(0)))
            await asyncio.sleep(0.1)
            leaving = asyncio.create_task(opened.denied(event(1), "not_listed", "none fits"))
            await asyncio.sleep(0.1)
            leaving.cancel()
            await asyncio.wait({before, leaving})
        url = f"sqlite:///{tmp_path / 'audit.db'}"
        async with asyncio.timeout(20):
            while "denied" not in {row["phase"] for row in await rows_of(url)}:
                await asyncio.sleep(0.05)


async def test_a_flood_of_calls_while_the_database_is_away_costs_no_outcome(
    tmp_path: Path,
) -> None:
    async with record(tmp_path) as opened:
        intent = await opened.intent(event(0))
        with locked(tmp_path):
            flood = [opened.intent(event(number)) for number in range(MOST_WAITING + 500)]
            waiting = asyncio.gather(*flood, return_exceptions=True)
            await asyncio.sleep(0)
            with pytest.raises(AuditUnavailable, match="not committed"):
                await opened.outcome(intent, event(0), Outcome("succeeded"))
            assert all(isinstance(each, AuditUnavailable) for each in await waiting)
        url = f"sqlite:///{tmp_path / 'audit.db'}"
        async with asyncio.timeout(60):
            while await without_an_end(url):
                await asyncio.sleep(0.05)
    assert await found_in(url) == []


async def test_a_commit_that_takes_longer_than_anybody_waits_does_not_lock_the_record(
    tmp_path: Path,
) -> None:
    large = "x" * 2_000_000
    async with record(tmp_path) as opened:
        intents = await asyncio.gather(*(opened.intent(event(number)) for number in range(60)))
        said = await asyncio.gather(
            *(
                opened.outcome(intent, event(number), Outcome("succeeded", result=large))
                for number, intent in enumerate(intents)
            ),
            return_exceptions=True,
        )
        assert any(isinstance(each, AuditUnavailable) for each in said)
        url = f"sqlite:///{tmp_path / 'audit.db'}"
        async with asyncio.timeout(40):
            while await open_calls(opened.readers):
                await asyncio.sleep(0.5)
    assert await found_in(url) == []
