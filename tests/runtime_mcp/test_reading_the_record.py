"""The record as it is read: over HTTP by those who may, and at the desk as it grows."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from records import rows_of
from tool_gateway import ADA, BOB, EVE, OWN, PAM, Gateway, agent, running_tool_gateway, text_of

PLATFORMS = {
    "id", "timestamp", "org_id", "actor_id", "actor_type", "action", "resource_type",
    "resource_id", "source_service", "source_pod", "project_id", "trace_id", "details",
}  # fmt: skip


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """With calls of two agents of one organisation, on two projects, and of another's."""
    async with running_tool_gateway(tmp_path) as running:
        for key, project in ((ADA, "demo"), (ADA, "other"), (EVE, "demo"), (OWN, "demo")):
            async with agent(running, key, project=project) as client:
                await client.call_tool("hello_world", {})
        async with agent(running, BOB, project="demo") as client:
            await client.call_tool("hello_world", {})
        async with agent(running, EVE) as client:
            with pytest.raises(MCPError):
                await client.call_tool("files.echo", {})
        yield running


async def read(
    gateway: Gateway, key: str, query: str = "", *, project: str | None = None
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    if project is not None:
        headers["X-Project-ID"] = project
    async with httpx2.AsyncClient(headers=headers) as http:
        answer = await http.get(f"{gateway.url}/audit{query}")
    return answer.status_code, answer.json()


async def test_an_organisations_reader_sees_all_of_its_events_and_no_other(
    gateway: Gateway,
) -> None:
    status, said = await read(gateway, ADA)
    assert status == 200
    assert {event["org_id"] for event in said["data"]} == {"acme"}
    assert {event["actor_id"] for event in said["data"]} == {"ada", "eve", "own"}
    assert len(said["data"]) == 9
    assert said["pagination"] == {
        "page": 1, "limit": 50, "total_items": 9, "total_pages": 1,
        "next_page": None, "prev_page": None,
    }  # fmt: skip
    assert all(event.keys() == PLATFORMS for event in said["data"])
    times = [event["timestamp"] for event in said["data"]]
    assert times == sorted(times, reverse=True)
    _, said = await read(gateway, BOB)
    assert {event["org_id"] for event in said["data"]} == {"other"}


async def test_a_projects_reader_sees_that_project_and_has_to_say_which(gateway: Gateway) -> None:
    status, said = await read(gateway, PAM)
    assert (status, said["code"]) == (400, "project_missing")
    status, said = await read(gateway, PAM, project="other")
    assert {(event["actor_id"], event["project_id"]) for event in said["data"]} == {
        ("ada", "other")
    }
    _, said = await read(gateway, PAM, "?project_id=demo", project="other")
    assert said["data"] == []


async def test_a_reader_of_its_own_events_sees_those(gateway: Gateway) -> None:
    _, said = await read(gateway, OWN)
    assert [event["actor_id"] for event in said["data"]] == ["own", "own"]
    _, said = await read(gateway, OWN, "?actor_id=ada")
    assert said["data"] == []


async def test_who_may_not_read_the_record_is_told_so(gateway: Gateway) -> None:
    status, said = await read(gateway, EVE)
    assert (status, said["code"]) == (403, "permission_denied")
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{gateway.url}/audit")).status_code == 401


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("actor_id=eve", 3),
        ("project_id=other", 2),
        ("resource_id=files.echo", 1),
        ("resource_type=tool&action=tool.call", 9),
        ("action=project.create", 0),
        ("start_time=2000-01-01T00:00:00Z&end_time=2000-01-02T00:00:00Z", 0),
        ("start_time=2000-01-01T00:00:00%2B02:00", 9),
    ],
)
async def test_the_platforms_filters(gateway: Gateway, query: str, count: int) -> None:
    _, said = await read(gateway, ADA, f"?{query}")
    assert said["pagination"]["total_items"] == len(said["data"]) == count


async def test_pages_have_every_event_once(gateway: Gateway) -> None:
    seen = []
    page: int | None = 1
    while page is not None:
        _, said = await read(gateway, ADA, f"?page={page}&page_size=4")
        assert said["pagination"]["prev_page"] == (page - 1 or None)
        seen += [event["id"] for event in said["data"]]
        page = said["pagination"]["next_page"]
    assert len(seen) == len(set(seen)) == 9


@pytest.mark.parametrize(
    "query", ["page=0", "page_size=101", "start_time=soon", "organisation=other", "page=1&page=2x"]
)
async def test_a_senseless_query_is_refused(gateway: Gateway, query: str) -> None:
    status, said = await read(gateway, ADA, f"?{query}")
    assert (status, said["code"]) == (422, "invalid_request")


async def test_one_event_is_there_for_those_who_may_see_it(gateway: Gateway) -> None:
    _, said = await read(gateway, ADA, "?actor_id=eve&resource_id=files.echo")
    (event,) = said["data"]
    assert event["details"]["phase"] == "denied"
    assert await read(gateway, ADA, f"/{event['id']}") == (200, event)
    for key in (OWN, BOB):
        assert (await read(gateway, key, f"/{event['id']}"))[0] == 404
    assert (await read(gateway, ADA, "/nothing"))[0] == 404


async def test_a_call_over_its_limit_is_refused_and_recorded(gateway: Gateway) -> None:
    async with agent(gateway) as client:
        for _ in range(2):
            assert not (await client.call_tool("files.seldom", {})).is_error
        with pytest.raises(MCPError, match=r"Called too often: again in [0-9]+ s"):
            await client.call_tool("files.seldom", {})
        assert not (await client.call_tool("files.echo", {})).is_error
    assert [name for name, _ in gateway.upstream.seen].count("files.seldom") == 0
    assert [name for name, _ in gateway.upstream.seen].count("seldom") == 2
    reasons = [row["details"].get("reason") for row in await rows_of(url_of(gateway))]
    assert reasons.count("too_often") == 1


async def test_the_tail_tells_each_new_event_once(gateway: Gateway) -> None:
    program = str(Path(sys.executable).parent / "runtime-mcp")
    command = (program, "audit", "tail", "--json", "-n", "2", "--database-url", url_of(gateway))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            told = [json.loads(await process.stdout.readline()) for _ in range(2)]
            async with agent(gateway) as client:
                for _ in range(3):
                    await client.call_tool("hello_world", {})
            told += [json.loads(await process.stdout.readline()) for _ in range(6)]
    finally:
        process.kill()
        await process.wait()
    last = (await rows_of(url_of(gateway)))[-8:]
    assert [event["id"] for event in told] == [row["id"] for row in last]


async def test_the_desk_says_that_there_is_no_record(tmp_path: Path) -> None:
    program = str(Path(sys.executable).parent / "runtime-mcp")
    url = f"sqlite:///{tmp_path / 'nothing.db'}"
    for command in ("verify", "tail"):
        process = await asyncio.create_subprocess_exec(
            *(program, "audit", command, "--database-url", url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode, out) == (2, b"")
        assert err.count(b"\n") == 1
        assert b"the record cannot be read" in err


def url_of(gateway: Gateway) -> str:
    return gateway.settings.database_url.get_secret_value()


async def test_who_reads_a_large_record_keeps_no_call_from_being_recorded(
    gateway: Gateway, tmp_path: Path
) -> None:
    large = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    columns = """timestamp, org_id, actor_id, actor_type, action, resource_type, resource_id,
        source_service, source_pod, project_id, trace_id, details, phase, allowlist_revision,
        intent_id, previous_hash, hash"""
    large.execute("BEGIN")
    large.execute(
        f"INSERT INTO audit_events (id, writer, sequence, {columns}) "  # noqa: S608
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
        f"SELECT 'id' || i, 'large', i, {columns} FROM n, (SELECT * FROM audit_events "
        "WHERE org_id = 'acme' LIMIT 1)"
    )
    large.execute("COMMIT")
    large.close()
    headers = {"Authorization": f"Bearer {ADA}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http, agent(gateway) as ada:
        reading = [
            asyncio.create_task(http.get(f"{gateway.url}/audit?action=none")) for _ in range(90)
        ]
        await asyncio.sleep(1)
        for _ in range(3):
            assert text_of(await ada.call_tool("files.echo", {"text": "x"})) == "x"
        assert not all(each.done() for each in reading)
        said = [answer.status_code for answer in await asyncio.gather(*reading)]
    assert 200 in said
    assert set(said) <= {200, 503}
