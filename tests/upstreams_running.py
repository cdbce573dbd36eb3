"""Upstreams by a config, without the gateway around them, and the calls of somebody."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from mcp_types import CallToolRequestParams, CallToolResult, TextContent

from runtime_mcp.upstreams.config import UpstreamsConfig, parse
from runtime_mcp.upstreams.followed import UpstreamState
from runtime_mcp.upstreams.tool_request import ToolRequest
from runtime_mcp.upstreams.upstreams import Upstreams

TESTS = Path(__file__).resolve().parent
PATHS = {"PATH": os.environ["PATH"]}


def over_stdio(script: str = "stdio_upstream.py", **more: Any) -> dict[str, Any]:
    """The config of a server that is a script of the tests."""
    return {"command": sys.executable, "args": [str(TESTS / script)], **more}


def config_of(environment: Mapping[str, str] = PATHS, **servers: Any) -> UpstreamsConfig:
    return parse(yaml.safe_dump({"servers": servers}), environment)


@asynccontextmanager
async def following(
    environment: Mapping[str, str] = PATHS, refresh: float = 30.0, **servers: Any
) -> AsyncIterator[Upstreams]:
    """Upstreams of which all are up."""
    config = config_of(environment, **servers)
    async with Upstreams(config, environment, refresh=refresh) as upstreams:
        await until(lambda: all(each.up for each in upstreams.states()))
        yield upstreams


async def until(holds: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def state_of(upstreams: Upstreams, name: str) -> UpstreamState:
    return next(each for each in upstreams.states() if each.server == name)


async def called(
    upstreams: Upstreams,
    tool: str,
    arguments: dict[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> CallToolResult:
    offered = upstreams.get(tool)
    assert offered is not None, (tool, upstreams.states())
    params = CallToolRequestParams(name=tool, arguments=arguments)
    result = await offered.server.call(offered.own_name, ToolRequest(params, headers or {}))
    assert isinstance(result, CallToolResult)
    return result


async def told(upstreams: Upstreams, tool: str, /, **arguments: Any) -> str:
    """The text of a call's result."""
    (content,) = (await called(upstreams, tool, arguments)).content
    assert isinstance(content, TextContent)
    return content.text
