"""Clients of others work through the tool gateway: they list, call, and are told what is denied."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from mcp_peers import INSPECTOR, Peers, mcp_peers
from running import ROOT
from runtime_mcp.main import create_app
from tool_gateway import ADA, served, settings_in, text_of, until_up, written

HEADERS = {"Authorization": f"Bearer {ADA}", "X-Project-ID": "demo"}
ECHO, HELLO, DENIED = "everything.echo", "hello_world", "everything.get-env"
CALLS: list[tuple[str, dict[str, Any]]] = [(ECHO, {"message": "hi"}), (HELLO, {}), (DENIED, {})]


@dataclass(frozen=True)
class Heard:
    """What a client says of the gateway.

    Attributes:
        answers: the texts of both tools.
        denied: how it is told that a tool is not there for it.
    """

    tools: list[str]
    answers: list[str]
    denied: str


@dataclass(frozen=True)
class Here:
    """A gateway before server-everything, and what is needed to run clients of others."""

    url: str
    peers: Peers
    folder: Path


Ask = Callable[[Here, str], Awaitable[Heard]]


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    peers, folder = mcp_peers(), tmp_path_factory.mktemp("clients")
    tools = [{"tool": ECHO}, {"tool": HELLO}]
    allowlist = written(folder, "ada.yaml", {"agents": [{"name": "ada", "tools": tools}]})
    with peers.everything(folder) as behind:
        settings = settings_in(folder, {"everything": behind}, allowlist_file=allowlist)
        async with served(create_app(settings)) as gateway:
            await until_up(gateway, "everything")
            yield Here(f"{gateway}/mcp", peers, folder)


async def python_sdk(here: Here, era: str) -> Heard:
    async with (
        httpx2.AsyncClient(headers=HEADERS) as http,
        Client(streamable_http_client(here.url, http_client=http), mode=era) as client,
    ):
        assert (client.protocol_version >= "2026") == (era != "legacy")
        tools = [tool.name for tool in (await client.list_tools()).tools]
        answers = [text_of(await client.call_tool(*call)) for call in CALLS[:2]]
        with pytest.raises(MCPError) as refused:
            await client.call_tool(*CALLS[2])
    return Heard(tools, answers, str(refused.value))


async def fastmcp(here: Here, era: str) -> Heard:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "tests" / "fastmcp_client.py",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    asked = {"url": here.url, "headers": HEADERS, "mode": era, "calls": CALLS}
    out, err = await process.communicate(json.dumps(asked).encode())
    assert process.returncode == 0, err.decode()
    said = json.loads(out)
    *answers, denied = said["answers"]
    return Heard(said["tools"], [each["text"] for each in answers], denied["error"])


async def inspector(here: Here, era: str) -> Heard:
    async def run(*words: str) -> tuple[Any, str]:
        headers = [f"--header={name}: {value}" for name, value in HEADERS.items()]
        said = await here.peers.run(
            INSPECTOR,
            "--cli",
            "--transport=http",
            f"--server-url={here.url}",
            f"--protocol-era={'legacy' if era == 'legacy' else 'modern'}",
            *headers,
            *words,
            HOME=str(here.folder),
        )
        assert bool(said.code) == bool(said.err), said
        return (json.loads(said.out) if said.out.strip() else None), said.err

    listed, _ = await run("--method=tools/list")
    call = ("--method=tools/call", "--tool-name")
    echoed, _ = await run(*call, ECHO, "--tool-arg", "message=hi")
    greeted, _ = await run(*call, HELLO)
    _, denied = await run(*call, DENIED)
    return Heard(
        [tool["name"] for tool in listed["tools"]],
        [each["content"][0]["text"] for each in (echoed, greeted)],
        denied,
    )


@pytest.mark.parametrize("era", ["legacy", "auto"])
@pytest.mark.parametrize(
    ("client", "refusal"),
    [
        (python_sdk, f"Unknown tool: {DENIED}"),
        (fastmcp, f"Unknown tool: {DENIED}"),
        (inspector, f"Tool '{DENIED}' not found"),
    ],
)
async def test_a_client_lists_calls_and_is_told_what_is_denied(
    here: Here, client: Ask, refusal: str, era: str
) -> None:
    heard = await client(here, era)
    assert heard.tools == [ECHO, HELLO]
    assert heard.answers == ["Echo: hi", "Hello, ada!"]
    assert refusal in heard.denied
