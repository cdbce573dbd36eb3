"""Agents, the tool gateway and an upstream: what may be seen, called and known of whom."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from aiohttp import web
from mcp.shared.exceptions import MCPError
from sqlalchemy import select

from running import listening
from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.tables import events
from runtime_mcp.audit.verify import findings
from runtime_mcp.main import create_app
from runtime_mcp.upstreams.config import HttpServerConfig, parse
from runtime_mcp.upstreams.errors import UpstreamDown
from runtime_mcp.upstreams.http.server import HttpServer
from runtime_mcp.upstreams.secrets import Secrets
from runtime_mcp.upstreams.upstreams import Upstreams
from tool_gateway import (
    ADA,
    EVE,
    Gateway,
    Upstream,
    agent,
    running_tool_gateway,
    served,
    settings_in,
    text_of,
    until_up,
)

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with running_tool_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


async def recorded(gateway: Gateway, tool: str) -> list[dict[str, Any]]:
    """The events of this tool, in the order in which they were written."""
    engine = engine_of(gateway.settings.database_url.get_secret_value())
    async with engine.connect() as connection:
        asked = select(events).where(events.c.resource_id == tool).order_by(events.c.sequence)
        rows = [dict(row) for row in (await connection.execute(asked)).mappings()]
    await engine.dispose()
    return rows


async def broken(gateway: Gateway) -> list[str]:
    engine = engine_of(gateway.settings.database_url.get_secret_value())
    found = [line async for line in findings(engine)]
    await engine.dispose()
    return found


@MODES
async def test_an_agent_sees_what_its_allowlist_names_and_no_more(
    gateway: Gateway, mode: str
) -> None:
    async with agent(gateway, mode=mode) as ada, agent(gateway, EVE, mode=mode) as eve:
        seen = [tool.name for tool in (await ada.list_tools()).tools]
        own = [f"files.{name}" for name in ("echo", "fails", "hang", "large", "seldom")]
        assert seen == [*own, "hello_world"]
        assert [tool.name for tool in (await eve.list_tools()).tools] == ["hello_world"]


@MODES
async def test_a_call_is_made_with_the_callers_identity_and_recorded_before_and_after(
    gateway: Gateway, mode: str
) -> None:
    project = f"project-{mode}"
    async with agent(gateway, project=project, mode=mode, **{"X-Other": "kept back"}) as ada:
        assert text_of(await ada.call_tool("files.echo", {"text": "hello"})) == "hello"
    _, headers = gateway.upstream.seen[-1]
    assert headers["authorization"] == f"Bearer {ADA}"
    assert headers["x-project-id"] == project
    assert "x-other" not in headers
    rows = [row for row in await recorded(gateway, "files.echo") if row["project_id"] == project]
    assert [row["phase"] for row in rows] == ["intent", "outcome"]
    intent, outcome = rows
    assert outcome["intent_id"] == intent["id"]
    assert outcome["details"]["status"] == "succeeded"
    for row in rows:
        assert (row["actor_id"], row["org_id"], row["actor_type"]) == ("ada", "acme", "service")
        assert row["action"] == "tool.call"
        assert "hello" not in json.dumps(row)
    assert await broken(gateway) == []


@pytest.mark.parametrize(
    "name",
    [
        "files.secret", "secret", "FILES.echo", "files.Echo", " files.echo", "files.echo ",
        "files.echo\u200b", "files.echo\n", "files..echo", "files.ech", "files.echoo", "ﬁles.echo",
        "files.*", "*", "", "other.echo", "files.echo\x00", "x" * 100_000,
    ],
)  # fmt: skip
async def test_what_is_not_listed_cannot_be_called_under_any_name(
    gateway: Gateway, name: str
) -> None:
    before = len(gateway.upstream.seen)
    async with agent(gateway) as ada:
        with pytest.raises(MCPError, match="Unknown tool"):
            await ada.session.call_tool(name, {"text": "x"})
    assert len(gateway.upstream.seen) == before
    written = name.encode("unicode_escape").decode()[:160]
    assert (await recorded(gateway, written))[-1]["phase"] == "denied"


async def test_arguments_that_are_not_allowed_are_refused(gateway: Gateway) -> None:
    before = len(gateway.upstream.seen)
    async with agent(gateway) as ada:
        with pytest.raises(MCPError, match="arguments are not allowed"):
            await ada.call_tool("files.echo", {"text": "x" * 21})
    assert len(gateway.upstream.seen) == before


async def test_identity_is_the_tokens_whatever_the_message_says(gateway: Gateway) -> None:
    claimed: Any = {"agent": "ada", "authorization": f"Bearer {ADA}"}
    async with agent(gateway, EVE) as eve:
        with pytest.raises(MCPError, match="Unknown tool"):
            await eve.session.call_tool("files.echo", {"text": "x"}, meta=claimed)
    assert (await recorded(gateway, "files.echo"))[-1]["actor_id"] == "eve"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nobodys"}, {"Authorization": ""}])
async def test_without_an_agent_nothing_is_answered(
    gateway: Gateway, header: dict[str, str]
) -> None:
    async with httpx2.AsyncClient() as http:
        said = await http.post(f"{gateway.url}/mcp", json={}, headers=header)
    assert said.status_code == 401
    assert said.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_nothing_but_a_post_is_answered_and_no_stream_is_held_open(
    gateway: Gateway, method: str, version: str
) -> None:
    headers = {
        "Authorization": f"Bearer {ADA}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
    }
    async with httpx2.AsyncClient(headers=headers, timeout=5) as http:
        said = await http.request(method, f"{gateway.url}/mcp")
    assert said.status_code == 405
    assert said.headers["allow"] == "POST"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_bound_is_refused(gateway: Gateway, declared: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 1024 * 1024

    body = b" " * 5 * 1024 * 1024 if declared else chunks()
    headers = {"Authorization": f"Bearer {ADA}", "Content-Type": "application/json"}
    headers["Accept"] = "application/json, text/event-stream"
    async with httpx2.AsyncClient(headers=headers) as http:
        said = await http.post(f"{gateway.url}/mcp", content=body)
    assert said.status_code == 413


async def test_only_hello_needs_no_project(gateway: Gateway) -> None:
    async with agent(gateway, project=None) as ada:
        assert text_of(await ada.call_tool("hello_world", {})) == "Hello, ada!"
        with pytest.raises(MCPError, match="X-Project-ID"):
            await ada.call_tool("files.echo", {"text": "x"})


async def test_a_batch_is_not_taken_so_nothing_hides_in_one(gateway: Gateway) -> None:
    call = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "files.echo"}}
    other = call | {"params": {"name": "files.secret"}}
    headers = {
        "Authorization": f"Bearer {ADA}",
        "X-Project-ID": "demo",
        "Accept": "application/json, text/event-stream",
    }
    before = len(gateway.upstream.seen)
    async with httpx2.AsyncClient(headers=headers) as http:
        said = await http.post(f"{gateway.url}/mcp", json=[call | {"id": 1}, other | {"id": 2}])
    assert said.status_code == 400
    assert len(gateway.upstream.seen) == before


@pytest.mark.parametrize(
    ("tool", "code"), [("files.hang", "upstream_timeout"), ("files.large", "upstream_too_large")]
)
async def test_an_upstream_that_gives_no_result_is_a_result_that_says_so(
    gateway: Gateway, tool: str, code: str
) -> None:
    async with agent(gateway) as ada:
        result = await ada.call_tool(tool, {})
    assert result.is_error
    assert (result.meta or {})["code"] == code
    outcome = (await recorded(gateway, tool))[-1]
    assert (outcome["details"]["status"], outcome["details"]["error"]) == ("failed", code)


async def test_a_tool_that_fails_is_recorded_as_failed(gateway: Gateway) -> None:
    async with agent(gateway) as ada:
        assert (await ada.call_tool("files.fails", {})).is_error
    details = (await recorded(gateway, "files.fails"))[-1]["details"]
    assert (details["status"], details["error"]) == ("failed", "tool_error")


async def test_a_hundred_callers_at_once_are_not_taken_for_one_another(gateway: Gateway) -> None:
    before = len(gateway.upstream.seen)

    async def call(number: int) -> None:
        async with agent(gateway, project=f"p-{number}", mode="2026-07-28") as ada:
            assert text_of(await ada.call_tool("files.echo", {"text": str(number)})) == str(number)

    for first in range(0, 100, 20):
        await asyncio.gather(*map(call, range(first, first + 20)))
    told = zip(gateway.upstream.texts[before:], gateway.upstream.seen[before:], strict=True)
    pairs = [(text, headers["x-project-id"]) for text, (_, headers) in told]
    assert sorted(pairs) == sorted((str(number), f"p-{number}") for number in range(100))
    assert await broken(gateway) == []


async def test_a_changed_allowlist_counts_and_a_bad_one_does_not(tmp_path: Path) -> None:
    async with running_tool_gateway(tmp_path) as gateway:
        file = gateway.settings.allowlist_file

        async def seen() -> list[str]:
            async with agent(gateway, EVE) as eve:
                return [tool.name for tool in (await eve.list_tools()).tools]

        async def until(wanted: list[str]) -> None:
            async with asyncio.timeout(20):
                while await seen() != wanted:
                    await asyncio.sleep(0.1)

        assert await seen() == ["hello_world"]
        more = {"agents": [{"name": "eve", "tools": [{"tool": "files.echo"}]}]}
        file.write_text(yaml.safe_dump(more))
        await until(["files.echo"])
        file.write_text("agents: [{name: eve, tools: everything}]")
        await asyncio.sleep(2.5)
        assert await seen() == ["files.echo"]
        file.write_text("agents: []")
        await until([])


async def test_a_call_that_cannot_be_recorded_is_not_made(tmp_path: Path) -> None:
    async with running_tool_gateway(tmp_path) as gateway:
        engine = engine_of(gateway.settings.database_url.get_secret_value())
        async with agent(gateway) as ada:
            async with engine.begin() as connection:
                await connection.exec_driver_sql("ALTER TABLE audit_events RENAME TO away")
            with pytest.raises(MCPError, match="cannot be recorded"):
                await ada.call_tool("files.echo", {"text": "x"})
            assert gateway.upstream.seen == []
            async with engine.begin() as connection:
                await connection.exec_driver_sql("ALTER TABLE away RENAME TO audit_events")
            assert text_of(await ada.call_tool("files.echo", {"text": "x"})) == "x"
        await engine.dispose()
        assert await broken(gateway) == []


async def test_metrics_name_tools_that_are_offered_and_no_others(gateway: Gateway) -> None:
    async with agent(gateway) as ada:
        await ada.call_tool("hello_world", {})
        with pytest.raises(MCPError):
            await ada.session.call_tool("no.such-tool", {})
    async with httpx2.AsyncClient() as http:
        said = (await http.get(f"{gateway.url}/metrics")).text
    assert 'mcp_tool_calls_total{outcome="succeeded",tool="hello_world"}' in said
    assert 'mcp_upstream_up{server="files"} 1.0' in said
    assert "no.such-tool" not in said


async def test_an_upstream_that_is_away_hides_its_tools_and_harms_nobody_else(
    tmp_path: Path,
) -> None:
    upstream = Upstream()
    async with served(upstream.app()) as behind:
        settings = settings_in(tmp_path, {"files": behind, "gone": "http://127.0.0.1:9"})
        async with served(create_app(settings)) as url:
            gateway = Gateway(url, settings, upstream)
            await until_up(url, "files")
            async with agent(gateway) as ada:
                assert text_of(await ada.call_tool("files.echo", {"text": "x"})) == "x"
            async with httpx2.AsyncClient() as http:
                said = (await http.get(f"{url}/health/ready")).json()
    states = {each["server"]: each for each in said["upstreams"]}
    assert said["status"] == "ok"
    assert (states["gone"]["up"], states["gone"]["tools"]) == (False, 0)
    assert "ConnectError" in states["gone"]["reason"]


async def test_an_answer_that_unpacks_to_more_than_it_weighs_is_not_taken() -> None:
    async def zipped(_: web.Request) -> web.Response:
        body = gzip.compress(b" " * 50_000_000)
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_post("/mcp", zipped)
    async with listening(app) as url:
        config = parse(f"servers: {{zipped: {{url: '{url}/mcp'}}}}", {}).servers["zipped"]
        assert isinstance(config, HttpServerConfig)
        server = HttpServer("zipped", config, Secrets({}))
        with pytest.raises(UpstreamDown, match="compressed"):
            await server.tools()
        await server.aclose()


async def test_a_tool_that_changed_is_not_offered_any_more() -> None:
    upstream = Upstream()
    async with served(upstream.app()) as behind:
        config = parse(f"servers: {{files: {{url: '{behind}/mcp'}}}}", {})
        async with Upstreams(config, {}, refresh=0.05) as upstreams, asyncio.timeout(20):
            while upstreams.get("files.echo") is None:
                await asyncio.sleep(0.02)
            upstream.description = "Says what it was told, and sends it to somebody else"
            while upstreams.get("files.echo") is not None:
                await asyncio.sleep(0.02)
            upstream.description = Upstream.description
            while upstreams.get("files.echo") is None:
                await asyncio.sleep(0.02)
