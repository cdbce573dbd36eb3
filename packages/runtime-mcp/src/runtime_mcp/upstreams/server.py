"""One upstream server, whichever way it is reached: so many calls at a time, each with an end."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

from mcp.shared.exceptions import MCPError
from mcp_types import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION, Tool

from runtime_mcp.upstreams.config import ServerConfig
from runtime_mcp.upstreams.errors import UpstreamBusy, UpstreamDown, UpstreamRefused
from runtime_mcp.upstreams.tool_request import Result, ToolRequest

STALE = (HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION)
"""Errors of a server that is not any more what it was when its tools were listed."""
SHORTEST_REFRESH_SECONDS = 0.5


class Server(ABC):
    """
    Args:
        name: what its tools' names begin with.
    """

    def __init__(self, name: str, config: ServerConfig) -> None:
        self.name = name
        self.config = config
        self.under_way = 0
        self._is_over = False
        self._refresh = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[None]:
        """Around its calls and the listing of its tools.

        Raises:
            UpstreamError: it cannot be reached, or not any more.
        """

    @abstractmethod
    async def tools(self) -> list[Tool]:
        """All that it offers.

        Raises:
            UpstreamError: they cannot be listed.
            MCPError: as the server says why.
        """

    @abstractmethod
    async def _call(self, tool: str, request: ToolRequest) -> Result: ...

    async def aclose(self) -> None:
        """Takes no more calls, and ends those under way."""
        self._is_over = True

    async def call(self, tool: str, request: ToolRequest) -> Result:
        """
        Args:
            tool: as the server calls it.

        Raises:
            UpstreamError: there is no result.
            MCPError: the server refused the call, in its own words.
        """
        if self._is_over:
            raise UpstreamDown(f"{self.name}: is not among the servers any more")
        if self.under_way >= self.config.max_concurrent:
            raise UpstreamBusy(f"{self.name}: {self.under_way} calls are under way")
        self.under_way += 1
        self._idle.clear()
        try:
            return await self._call(tool, request)
        except (UpstreamDown, UpstreamRefused):
            self.request_refresh()
            raise
        except MCPError as error:
            if error.code in STALE:
                self.request_refresh()
            raise
        finally:
            self.under_way -= 1
            if not self.under_way:
                self._idle.set()

    def request_refresh(self) -> None:
        """Its tools may have changed: they are listed again."""
        self._refresh.set()

    async def until_refresh(self, at_the_latest: float) -> None:
        """Returns when its tools have to be listed again, after so many seconds at the latest."""
        await asyncio.sleep(min(SHORTEST_REFRESH_SECONDS, at_the_latest))
        try:
            async with asyncio.timeout(at_the_latest):
                await self._refresh.wait()
        except TimeoutError:
            pass
        self._refresh.clear()

    async def until_idle(self) -> None:
        """Returns when no call is under way."""
        await self._idle.wait()
