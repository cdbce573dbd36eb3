"""A server over HTTP: a client of its own for each call, over connections that calls share.

A call's headers are those of its caller and of nobody else, because no client is shared.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map
from mcp_types import PARSE_ERROR, Tool

from runtime_mcp.upstreams.config import HttpServerConfig
from runtime_mcp.upstreams.errors import (
    UpstreamDown,
    UpstreamError,
    UpstreamTimeout,
    UpstreamTooLarge,
    leaves,
)
from runtime_mcp.upstreams.http.connections import Bounded, Connections
from runtime_mcp.upstreams.offering import list_tools
from runtime_mcp.upstreams.secrets import Secrets
from runtime_mcp.upstreams.server import Server
from runtime_mcp.upstreams.tool_request import RESULT, Result, ToolRequest

IDENTITY = frozenset({"authorization", "x-project-id"})


class HttpServer(Server):
    """See `Server`."""

    config: HttpServerConfig

    def __init__(self, name: str, config: HttpServerConfig, secrets: Secrets) -> None:
        super().__init__(name, config)
        self._secrets = secrets
        # A call of MCP before 2026 has up to three at a time; a look at its tools is one more.
        self._connections = Connections(
            3 * (config.max_concurrent + 1), allow_link_local=config.allow_link_local
        )
        self._version = "auto"
        self._mirrored: dict[str, dict[tuple[str, ...], str]] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[None]:
        """Nothing is held between calls."""
        yield

    async def aclose(self) -> None:
        """Closes its connections."""
        await super().aclose()
        await self._connections.aclose()

    async def tools(self) -> list[Tool]:
        """See `Server.tools`."""
        async with self._client({}, "auto") as client:
            found = await list_tools(client, self.name, self.config.max_result_bytes)
            version = client.protocol_version
        # What was negotiated once need not be negotiated again with each call.
        self._version = version if version >= "2026" else "legacy"
        # Since MCP 2026-07-28 some arguments are in headers, too, where a tool's schema says so.
        self._mirrored = (
            {}
            if self._version == "legacy"
            else {tool.name: x_mcp_header_map(tool.input_schema) for tool in found}
        )
        return found

    async def _call(self, tool: str, request: ToolRequest) -> Result:
        sent = {
            name: value
            for name, value in request.headers.items()
            if self.config.forward_identity or name not in IDENTITY
        }
        sent |= mcp_param_headers(self._mirrored.get(tool, {}), request.arguments)
        # In a session of before 2026 they would be an invitation to ask in between.
        declared = {} if self._version == "legacy" else request.client_side.declared()
        async with self._client(sent, self._version, **declared) as client:
            return await client.session.send_request(
                request.to_server(tool), RESULT, progress_callback=request.client_side.progress
            )

    @asynccontextmanager
    async def _client(
        self, headers: Mapping[str, str], mode: str, **declared: Any
    ) -> AsyncGenerator[Client]:
        bounded = Bounded(self._connections, self.config.max_result_bytes)
        seconds = self.config.timeout_seconds
        try:
            async with (
                asyncio.timeout(seconds),
                httpx2.AsyncClient(
                    transport=bounded, headers={**headers, **self._own_headers()}, timeout=seconds
                ) as http,
                Client(
                    streamable_http_client(self.config.url, http_client=http),
                    mode=mode,
                    cache=None,
                    read_timeout_seconds=seconds,
                    **declared,
                ) as client,
            ):
                yield client
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name}: nothing within {seconds:g} s") from None
        except Exception as error:  # noqa: BLE001 - each is given a name of ours below
            raise self._named(error, bounded) from None

    def _own_headers(self) -> dict[str, str]:
        own = self._secrets.filled_all(f"{self.name}: headers", self.config.headers)
        for name, value in own.items():
            if not (value.isascii() and value.isprintable()):
                raise UpstreamDown(f"{self.name}: headers.{name}: is not one line of ASCII")
        return own

    def _named(self, error: BaseException, bounded: Bounded) -> Exception:
        """Our name for what went wrong, wherever in the client it did."""
        if bounded.left < 0:
            return UpstreamTooLarge(f"{self.name}: more than {self.config.max_result_bytes} bytes")
        if bounded.wrong is not None:
            return type(bounded.wrong)(f"{self.name}: {bounded.wrong.reason}")
        causes = leaves(error)
        for cause in causes:
            if isinstance(cause, UpstreamError):
                return cause
            if isinstance(cause, httpx2.TimeoutException | TimeoutError):
                return UpstreamTimeout(f"{self.name}: {cause}")
            if isinstance(cause, httpx2.TransportError | OSError | anyio.ClosedResourceError):
                return UpstreamDown(f"{self.name}: {type(cause).__name__}: {cause}")
        for cause in causes:
            # The SDK's word for an answer that it cannot read has a piece of that answer in it.
            if isinstance(cause, MCPError) and cause.error.code != PARSE_ERROR:
                return cause
        return UpstreamError(f"{self.name}: {type(causes[0]).__name__}: {causes[0]}"[:300])
