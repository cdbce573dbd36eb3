"""All upstream servers: each is asked again and again what it offers; one that is down hides."""

import asyncio
import random
import re
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from mcp.shared.exceptions import MCPError
from mcp_types import Tool

from api.logs import log
from runtime_mcp.upstreams.config import UpstreamsConfig
from runtime_mcp.upstreams.errors import UpstreamError
from runtime_mcp.upstreams.server import Server, fingerprint_of

LOOK_SECONDS = 30.0
FIRST_RETRY_SECONDS = 0.5
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,96}")


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """
    Attributes:
        reason: why it is not up; None when it is.
        tools: how many it offers.
    """

    name: str
    up: bool
    reason: str | None
    tools: int


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """
    Attributes:
        tool: with its full name, `<server>.<tool>`.
        own_name: as its server calls it.
        fingerprint: of all that an agent reads of it; it is the one that was first seen.
    """

    server: Server
    tool: Tool
    own_name: str
    fingerprint: str


class Upstreams:
    """
    Args:
        look: seconds from one look at a server's tools to the next.
    """

    def __init__(self, config: UpstreamsConfig, *, look: float = LOOK_SECONDS) -> None:
        self._servers = [Server(name, each) for name, each in config.servers.items()]
        self._look = look
        self._states = {
            server.name: UpstreamState(server.name, up=False, reason="not asked yet", tools=0)
            for server in self._servers
        }
        self._offered: dict[str, dict[str, OfferedTool]] = {}
        self._first_seen: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._follow(server)) for server in self._servers]
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for server in self._servers:
            await server.aclose()

    def tools(self) -> list[Tool]:
        """What can be called now."""
        return [offered.tool for each in self._offered.values() for offered in each.values()]

    def get(self, name: str) -> OfferedTool | None:
        """The tool of this full name, when it can be called now."""
        return self._offered.get(name.partition(".")[0], {}).get(name)

    def states(self) -> list[UpstreamState]:
        """Of each server, in the order of the config."""
        return list(self._states.values())

    async def _follow(self, server: Server) -> None:
        wait = FIRST_RETRY_SECONDS
        while True:
            try:
                tools = await server.tools()
            except (UpstreamError, MCPError) as error:
                reason = error.reason if isinstance(error, UpstreamError) else error.message
                self._went(server.name, reason)
                await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - no secret
                wait = min(wait * 2, self._look)
                continue
            wait = FIRST_RETRY_SECONDS
            self._came(server, tools)
            await asyncio.sleep(self._look)

    def _went(self, name: str, reason: str) -> None:
        if self._states[name].up or self._states[name].reason != reason:
            log.warning("upstream_down", server=name, reason=reason)
        self._offered.pop(name, None)
        self._states[name] = UpstreamState(name, up=False, reason=reason, tools=0)

    def _came(self, server: Server, tools: list[Tool]) -> None:
        offered = {}
        for tool in tools:
            full = f"{server.name}.{tool.name}"
            if not TOOL_NAME.fullmatch(tool.name):
                log.warning("upstream_tool_not_offered", server=server.name, tool=tool.name[:128])
                continue
            print_ = fingerprint_of(tool)
            first = self._first_seen.setdefault(full, print_)
            if first != print_:
                log.warning("upstream_tool_changed", tool=full, first=first, now=print_)
                continue
            renamed = tool.model_copy(update={"name": full})
            offered[full] = OfferedTool(server, renamed, tool.name, print_)
        if not self._states[server.name].up:
            log.info("upstream_up", server=server.name, tools=len(offered))
        self._offered[server.name] = offered
        state = self._states[server.name]
        self._states[server.name] = replace(state, up=True, reason=None, tools=len(offered))
