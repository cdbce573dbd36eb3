"""A tool gateway and the servers behind it, on real sockets, and clients of the official SDK."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
import yaml
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel.server import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool
from pydantic import SecretStr

from chassis.server.server import listen
from marked import marked
from runtime_mcp.main import create_app
from runtime_mcp.settings import Settings

ADA, EVE, PAM, OWN, BOB = map(marked, ("ada", "eve", "pam", "own", "bob"))
KEYS = (
    ("ada", ADA, "acme"), ("eve", EVE, "acme"), ("pam", PAM, "acme"), ("own", OWN, "acme"),
    ("bob", BOB, "other"),
)  # fmt: skip
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Everything is on loopback; a client that makes a context of its own takes 50 ms for it."""
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a free port; its address, without a path."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@dataclass
class Upstream:
    """An MCP server that remembers who called it.

    Attributes:
        seen: of each call, its tool and its headers.
        texts: of each call, what it was told.
    """

    description: str = "Says what it was told"
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def app(self) -> Any:
        server = Server("upstream", on_list_tools=self._list, on_call_tool=self._call)
        return server.streamable_http_app(stateless_http=True)

    async def _list(self, *_: Any) -> ListToolsResult:
        names = ("echo", "hang", "large", "fails", "secret", "seldom")
        tools = [
            Tool(name=name, description=self.description, input_schema=SCHEMA) for name in names
        ]
        return ListToolsResult(tools=tools)

    async def _call(self, context: Any, params: CallToolRequestParams) -> CallToolResult:
        self.seen.append((params.name, dict(context.request.headers)))
        text = str((params.arguments or {}).get("text", ""))
        self.texts.append(text)
        match params.name:
            case "hang":
                await asyncio.sleep(60)
            case "large":
                text = "x" * 3_000_000
            case "fails":
                return CallToolResult(content=[TextContent(text="no")], is_error=True)
        return CallToolResult(content=[TextContent(text=text)])


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return path


def settings_in(folder: Path, servers: Mapping[str, str], **more: Any) -> Settings:
    """The settings of a gateway with the agents ada, who may use what is listed, and eve.

    Args:
        servers: the upstreams' addresses, by name.
    """
    keys = [
        {"name": name, "organisation": where, "sha256": hashlib.sha256(key.encode()).hexdigest()}
        for name, key, where in KEYS
    ]
    tools = [
        {"tool": "hello_world"},
        {"tool": "files.echo", "arguments": {"properties": {"text": {"maxLength": 20}}}},
        {"tool": "files.hang"},
        {"tool": "files.large"},
        {"tool": "files.fails"},
        {"tool": "files.seldom", "per_minute": 2},
    ]
    limits = {"timeout_seconds": 6.0, "max_result_bytes": 100_000}
    config = {name: {"url": f"{url}/mcp"} | limits for name, url in servers.items()}
    allowed = [
        {"name": "ada", "tools": tools, "audit": "organisation"},
        {"name": "eve", "tools": [{"tool": "hello_world"}]},
        {"name": "pam", "tools": [{"tool": "hello_world"}], "audit": "project"},
        {"name": "own", "tools": [{"tool": "hello_world"}], "audit": "own"},
        {"name": "bob", "tools": [{"tool": "hello_world"}], "audit": "organisation"},
    ]
    given: dict[str, Any] = {
        "allowlist_file": written(folder, "allowlist.yaml", {"agents": allowed}),
        "upstreams_file": written(folder, "upstreams.yaml", {"servers": config}),
        "auth_mode": "keys",
        "agent_keys_file": written(folder, "keys.yaml", {"agents": keys}),
        "database_url": SecretStr(f"sqlite:///{folder / 'audit.db'}"),
    }
    return Settings(**given | more)


@dataclass(frozen=True)
class Gateway:
    url: str
    settings: Settings
    upstream: Upstream


@asynccontextmanager
async def running_tool_gateway(folder: Path, **more: Any) -> AsyncIterator[Gateway]:
    """A gateway with one upstream, `files`, whose tools are offered already."""
    upstream = Upstream()
    async with served(upstream.app()) as behind:
        settings = settings_in(folder, {"files": behind}, **more)
        async with served(create_app(settings)) as url:
            await until_up(url)
            yield Gateway(url, settings, upstream)


async def until_up(url: str, server: str = "files") -> None:
    async with httpx2.AsyncClient() as http:
        for _ in range(200):
            said = (await http.get(f"{url}/health/ready")).json()
            up = any(each["up"] for each in said["upstreams"] if each["server"] == server)
            if up and said["status"] == "ok":
                return
            await asyncio.sleep(0.05)
    raise AssertionError(said)


@asynccontextmanager
async def agent(
    gateway: Gateway,
    key: str = ADA,
    *,
    project: str | None = "demo",
    mode: str = "auto",
    **headers: str,
) -> AsyncIterator[Client]:
    """A client of the official SDK that calls as the agent of this key."""
    sent = {"Authorization": f"Bearer {key}"} | headers
    if project is not None:
        sent["X-Project-ID"] = project
    async with (
        httpx2.AsyncClient(headers=sent, timeout=20, verify=NO_TLS) as http,
        Client(streamable_http_client(f"{gateway.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text
