"""What the tool gateway tells a Prometheus beside its calls: itself, its files and its record."""

import asyncio
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import aiohttp
import pytest
from mcp.shared.exceptions import MCPError

from metering import Scraper
from runtime_mcp.audit.database import engine_of
from tool_gateway import Gateway, agent, running_tool_gateway

ALL_TAKEN: dict[tuple[str, ...], float] = {
    ("agent_keys",): 1.0,
    ("allowlist",): 1.0,
    ("upstreams",): 1.0,
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """One whose record is open."""
    async with running_tool_gateway(tmp_path) as running:
        async with agent(running) as ada:
            await ada.call_tool("hello_world", {})
        yield running


@pytest.fixture
async def scraper(gateway: Gateway) -> AsyncIterator[Scraper]:
    async with aiohttp.ClientSession() as http:
        yield Scraper(http, gateway.url)


async def becomes(scraper: Scraper, name: str, fits: Callable[[float], bool]) -> None:
    async with asyncio.timeout(20):
        while not fits((await scraper.samples(name))[()]):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def without(gateway: Gateway, table: str) -> AsyncIterator[None]:
    """While the record lacks one of its tables."""
    engine = engine_of(gateway.settings.database_url.get_secret_value())
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO away")
        yield
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE away RENAME TO {table}")
    finally:
        await engine.dispose()


async def test_what_runs_is_told_in_the_form_that_is_asked_for(scraper: Scraper) -> None:
    assert await scraper.samples("mcp_build_info") == {
        (platform.python_version(), version("solution-runtime-mcp")): 1.0
    }
    for name in ("python_info", "process_resident_memory_bytes", "python_gc_collections_total"):
        assert await scraper.all_samples(name), name
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with scraper.http.get(f"{scraper.url}/metrics", headers=asked) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await response.text()).endswith("# EOF\n")


async def test_a_file_that_is_not_taken_is_told_until_it_is_what_counts(
    gateway: Gateway, scraper: Scraper
) -> None:
    async def are(*not_taken: str) -> None:
        await scraper.until(ALL_TAKEN | {(name,): 0.0 for name in not_taken}, "mcp_file_taken")

    await are()
    keys = gateway.settings.agent_keys_file
    assert keys is not None
    files = {"allowlist": gateway.settings.allowlist_file, "agent_keys": keys}
    good = {name: file.read_text() for name, file in files.items()}
    for file in files.values():
        file.write_text("agents: everybody")
    await are("allowlist", "agent_keys")
    for name, file in files.items():
        file.write_text(good[name])
    await are()
    files["allowlist"].unlink()
    await are("allowlist")
    files["allowlist"].write_text(good["allowlist"])
    await are()


async def test_calls_that_cannot_be_recorded_are_a_series_before_there_are_any(
    gateway: Gateway, scraper: Scraper
) -> None:
    async def refused() -> dict[tuple[str, ...], float]:
        return await scraper.samples("mcp_tool_calls_total", outcome="audit_unavailable")

    before = await refused()
    assert {"hello_world", "files.echo", "unknown"} <= {tool for (tool,) in before}
    assert set(before.values()) == {0.0}
    async with without(gateway, "audit_events"), agent(gateway) as ada:
        with pytest.raises(MCPError, match="cannot be recorded"):
            await ada.call_tool("hello_world", {})
    assert await refused() == before | {("hello_world",): 1.0}


async def test_how_far_the_record_is_behind_is_told_until_it_is_not(
    gateway: Gateway, scraper: Scraper
) -> None:
    behind = "mcp_audit_behind_seconds"
    async with agent(gateway) as ada:
        assert await scraper.samples(behind) == {(): 0.0}
        call = asyncio.create_task(ada.call_tool("files.hang", {}))
        async with asyncio.timeout(20):
            while not gateway.upstream.seen:
                await asyncio.sleep(0.01)
        async with without(gateway, "audit_events"):
            await becomes(scraper, behind, lambda seconds: seconds > 2)
            with pytest.raises(MCPError, match="how it ended cannot be recorded"):
                await call
        await becomes(scraper, behind, lambda seconds: seconds == 0)


async def test_for_how_long_the_database_has_not_been_heard_is_told(
    gateway: Gateway, scraper: Scraper
) -> None:
    unheard = "mcp_audit_unheard_seconds"
    async with without(gateway, "audit_writers"):
        await becomes(scraper, unheard, lambda seconds: seconds > 7)
    await becomes(scraper, unheard, lambda seconds: seconds < 5)
