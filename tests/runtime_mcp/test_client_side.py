"""What goes between an agent's client and an upstream beside a call, and how headers are read."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.session import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    InputRequiredResult,
    TextContent,
)

from conformance_upstream import ConformanceUpstream
from runtime_mcp.main import create_app
from tool_gateway import served, settings_in, text_of, until_up, written

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
PROJECT = {"X-Project-ID": "demo"}


@pytest.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A gateway before an upstream that tells, asks and wants headers; its MCP address."""
    folder = tmp_path_factory.mktemp("gateway")
    allowed = [{"name": "local", "tools": [{"tool": "up.*"}, {"tool": "hello_world"}]}]
    allowlist = written(folder, "local.yaml", {"agents": allowed})
    async with served(ConformanceUpstream().app()) as behind:
        settings = settings_in(
            folder, {"up": behind}, auth_mode="disabled", allowlist_file=allowlist
        )
        async with served(create_app(settings)) as gateway:
            await until_up(gateway, "up")
            yield f"{gateway}/mcp"


@MODES
async def test_progress_comes_while_the_call_is_under_way(url: str, mode: str) -> None:
    told: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert message is None
        told.append((progress, total))

    async with (
        httpx2.AsyncClient(headers=PROJECT) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        result = await client.call_tool(
            "up.test_tool_with_progress", {}, progress_callback=on_progress
        )
    assert text_of(result) == "done"
    assert told == [(0, 100), (50, 100), (100, 100)]


async def sampled(
    context: ClientRequestContext,  # noqa: ARG001
    params: CreateMessageRequestParams,  # noqa: ARG001
) -> CreateMessageResult:
    return CreateMessageResult(role="assistant", content=TextContent(text="Paris"), model="mine")


async def test_an_upstream_asks_for_what_the_client_can_and_for_nothing_else(url: str) -> None:
    each: list[tuple[dict[str, Any], set[str]]] = [
        ({"sampling_callback": sampled}, {"sampled"}),
        ({"elicitation_callback": sampled}, {"elicited"}),
        ({}, set()),
    ]
    for callbacks, wanted in each:
        async with (
            httpx2.AsyncClient(headers=PROJECT) as http,
            Client(streamable_http_client(url, http_client=http), **callbacks) as client,
        ):
            result = await client.session.call_tool(
                "up.test_input_required_result_capabilities", allow_input_required=True
            )
        assert isinstance(result, InputRequiredResult)
        assert set(result.input_requests or {}) == wanted


async def test_what_an_upstream_asks_is_answered_by_the_agents_client(url: str) -> None:
    async with (
        httpx2.AsyncClient(headers=PROJECT) as http,
        Client(streamable_http_client(url, http_client=http), sampling_callback=sampled) as client,
    ):
        result = await client.call_tool("up.test_input_required_result_sampling", {})
    assert "Paris" in text_of(result)


async def test_an_argument_that_an_upstream_wants_in_a_header_is_there(url: str) -> None:
    async with (
        httpx2.AsyncClient(headers=PROJECT) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        await client.list_tools()
        result = await client.call_tool("up.mirrored_argument", {"region": "north"})
    assert text_of(result) == "ok"


async def test_white_space_around_a_header_is_no_part_of_it(url: str) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = PROJECT | {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": " hello_world \t",
    }
    params = {"name": "hello_world", "arguments": {}, "_meta": meta}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(url, json=call) as said:
            assert said.status == 200, await said.text()
