"""One upstream server: what it offers now, and a client of its own for each call.

A call's headers are those of its caller and of nobody else, because no client is shared.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult, Tool

from runtime_mcp.upstreams.bounded import Bounded
from runtime_mcp.upstreams.config import ServerConfig
from runtime_mcp.upstreams.errors import (
    UpstreamBusy,
    UpstreamDown,
    UpstreamError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from runtime_mcp.upstreams.on_behalf import OnBehalf

MOST_PAGES = 50
FOUND_BY = ("description", "input_schema", "output_schema", "annotations", "title")


class Server:
    """
    Args:
        name: what its tools' names begin with.
    """

    def __init__(self, name: str, config: ServerConfig) -> None:
        self.name = name
        self.config = config
        self._connections = httpx2.AsyncHTTPTransport()
        self._under_way = 0
        self._version = "auto"
        self._mirrored: dict[str, dict[tuple[str, ...], str]] = {}

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._connections.aclose()

    async def tools(self) -> list[Tool]:
        """All that it offers.

        Raises:
            UpstreamError: it does not say.
        """
        found: list[Tool] = []
        cursor: str | None = None
        self._version = "auto"
        async with self._client({}, OnBehalf()) as client:
            for _ in range(MOST_PAGES):
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
            # What was negotiated once need not be negotiated again with each call.
            version = client.protocol_version
        self._mirrored = {tool.name: x_mcp_header_map(tool.input_schema) for tool in found}
        self._version = version if version >= "2026" else "legacy"
        return found

    async def call(
        self,
        tool: str,
        params: CallToolRequestParams,
        headers: Mapping[str, str],
        client_side: OnBehalf,
    ) -> CallToolResult | InputRequiredResult:
        """
        Args:
            tool: as the server calls it.
            headers: who calls and for which project.
            client_side: what its client can be asked for and told.

        Raises:
            UpstreamError: there is no result.
            MCPError: the server refused the call, in its own words.
        """
        if self._under_way >= self.config.max_concurrent:
            raise UpstreamBusy(f"{self.name}: {self._under_way} calls are under way")
        self._under_way += 1
        # MCP 2026-07-28 has some arguments in headers, too, where a tool's schema says so.
        mirrored = {} if self._version == "legacy" else self._mirrored.get(tool, {})
        sent = {**headers, **mcp_param_headers(mirrored, params.arguments or {})}
        try:
            async with self._client(sent, client_side) as client:
                return await client.session.call_tool(
                    tool,
                    params.arguments,
                    progress_callback=client_side.progress,
                    input_responses=params.input_responses,
                    request_state=params.request_state,
                    allow_input_required=True,
                )
        finally:
            self._under_way -= 1

    @asynccontextmanager
    async def _client(
        self, headers: Mapping[str, str], client_side: OnBehalf
    ) -> AsyncGenerator[Client]:
        bounded = Bounded(self._connections, self.config.max_result_bytes)
        seconds = self.config.timeout_seconds
        try:
            async with (
                asyncio.timeout(seconds),
                httpx2.AsyncClient(
                    transport=bounded, headers=dict(headers), timeout=seconds
                ) as http,
                Client(
                    streamable_http_client(self.config.url, http_client=http),
                    mode=self._version,
                    cache=None,
                    read_timeout_seconds=seconds,
                    # In a legacy session they would be an invitation to ask in between.
                    **({} if self._version == "legacy" else client_side.declared()),
                ) as client,
            ):
                yield client
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name}: nothing within {seconds:g} s") from None
        except Exception as error:  # noqa: BLE001 - each is given a name of ours below
            raise self._named(error, bounded) from None

    def _named(self, error: BaseException, bounded: Bounded) -> Exception:
        """Our name for what went wrong, wherever in the client it did."""
        if bounded.left < 0:
            return UpstreamTooLarge(f"{self.name}: more than {self.config.max_result_bytes} bytes")
        causes = list(leaves(error))
        for cause in causes:
            if isinstance(cause, UpstreamError):
                return cause
            if isinstance(cause, httpx2.TimeoutException | TimeoutError):
                return UpstreamTimeout(f"{self.name}: {cause}")
            if isinstance(cause, httpx2.TransportError | OSError | anyio.ClosedResourceError):
                return UpstreamDown(f"{self.name}: {type(cause).__name__}: {cause}")
        for cause in causes:
            if isinstance(cause, MCPError):
                return cause
        return UpstreamError(f"{self.name}: {type(error).__name__}: {error}"[:300])


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group, or the one."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def fingerprint_of(tool: Tool) -> str:
    """What tells a tool from itself after a change: SHA-256, in hex, of all that an agent reads."""
    said: dict[str, Any] = tool.model_dump(mode="json", by_alias=False, exclude_none=True)
    read = {name: said.get(name) for name in ("name", *FOUND_BY)}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
