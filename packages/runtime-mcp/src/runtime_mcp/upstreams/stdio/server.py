"""A server over stdio: one process that all callers share, and nothing in it that is one caller's.

There are no headers: who calls goes with each call in its `_meta`, and only where the file says so.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from mcp.client.client import Client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import Tool, ToolListChangedNotification
from pydantic import ValidationError

from chassis.logs import log
from runtime_mcp.upstreams.config import StdioServerConfig
from runtime_mcp.upstreams.errors import (
    UpstreamDown,
    UpstreamError,
    UpstreamTimeout,
    UpstreamTooLarge,
    leaves,
)
from runtime_mcp.upstreams.offering import list_tools
from runtime_mcp.upstreams.secrets import Secrets
from runtime_mcp.upstreams.server import Server
from runtime_mcp.upstreams.stdio.process import TOO_LARGE, ServerProcess
from runtime_mcp.upstreams.tool_request import RESULT, Result, ToolRequest

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
META = {
    "authorization": "em-runtime-mcp/authorization",
    "x-project-id": "em-runtime-mcp/x-project-id",
}
"""In a call's `_meta`; `traceparent` is MCP's own name there."""


class StdioServer(Server):
    """See `Server`."""

    config: StdioServerConfig

    def __init__(
        self, name: str, config: StdioServerConfig, secrets: Secrets, environment: Mapping[str, str]
    ) -> None:
        super().__init__(name, config)
        self._secrets = secrets
        self._inherited = {each: environment[each] for each in INHERITED if each in environment}
        self._client: Client | None = None
        self._process: ServerProcess | None = None
        self._last: list[Tool] = []
        self._was_busy = False

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[None]:
        """Starts the process, and ends it after this."""
        own = self._secrets.filled_all(f"{self.name}: env", self.config.env)
        process = ServerProcess(self.name, self.config, self._inherited | own)
        seconds = self.config.start_timeout_seconds
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(seconds):
                    client = await stack.enter_async_context(
                        Client(process.run(), cache=None, message_handler=self._on_message)
                    )
                    await stack.enter_async_context(self._subscribed_to_changes(client))
                self._client, self._process = client, process
                try:
                    yield
                finally:
                    self._client = self._process = None
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name}: not ready within {seconds:g} s") from None
        except Exception as error:  # noqa: BLE001 - each is given a name of ours below
            raise self._named(error, process) from None

    async def tools(self) -> list[Tool]:
        """See `Server.tools`."""
        client, process = self._now()
        lines_read = process.lines_read
        try:
            async with asyncio.timeout(self.config.timeout_seconds):
                self._last = await list_tools(client, self.name, self.config.max_result_bytes)
        except TimeoutError:
            # One that does one thing after the other is busy, and not broken. Silent for twice as
            # long as any call may take, it is.
            if not self.under_way or (self._was_busy and process.lines_read == lines_read):
                raise UpstreamTimeout(f"{self.name}: does not say what it offers") from None
            self._was_busy = True
        except Exception as error:  # noqa: BLE001 - each is given a name of ours below
            raise self._named(error, process) from None
        else:
            self._was_busy = False
        return self._last

    async def until_refresh(self, at_the_latest: float) -> None:
        """See `Server`.

        Raises:
            UpstreamDown: the process ended.
        """
        _, process = self._now()
        ended = asyncio.create_task(process.ended.wait())
        refresh = asyncio.create_task(super().until_refresh(at_the_latest))
        try:
            await asyncio.wait({ended, refresh}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            refresh.cancel()
        if process.ended.is_set():
            raise UpstreamDown(f"{self.name}: its process ended, {process.exit_reason}")

    async def _call(self, tool: str, request: ToolRequest) -> Result:
        client, process = self._now()
        headers = request.headers
        meta = {"traceparent": headers["traceparent"]} if "traceparent" in headers else {}
        if self.config.forward_identity:
            meta |= {META[name]: headers[name] for name in META if name in headers}
        seconds = self.config.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                # What its client can be asked for stays out: the session is everybody's.
                return await client.session.send_request(
                    request.to_server(tool, meta),
                    RESULT,
                    progress_callback=request.client_side.progress,
                )
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name}: nothing within {seconds:g} s") from None
        except Exception as error:  # noqa: BLE001 - each is given a name of ours below
            if self._process is not process and not process.ended.is_set():
                raise UpstreamDown(f"{self.name}: its process was ended") from None
            raise self._named(error, process) from None

    def _now(self) -> tuple[Client, ServerProcess]:
        if self._client is None or self._process is None:
            raise UpstreamDown(f"{self.name}: its process does not run")
        return self._client, self._process

    async def _on_message(self, message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.request_refresh()

    @asynccontextmanager
    async def _subscribed_to_changes(self, client: Client) -> AsyncGenerator[None]:
        """Since MCP 2026-07-28 a server reports changed tools to those that subscribed."""
        offers = client.server_capabilities.tools
        async with AsyncExitStack() as stack:
            if client.protocol_version >= "2026" and offers and offers.list_changed:
                try:
                    await stack.enter_async_context(client.listen(tools_list_changed=True))
                except (ListenNotSupportedError, SubscriptionLost, MCPError) as error:
                    log.info("upstream_changes_not_told", server=self.name, reason=str(error))
            yield

    def _named(self, error: BaseException, process: ServerProcess) -> Exception:
        """Our name for what went wrong."""
        causes = leaves(error)
        for cause in causes:
            if isinstance(cause, UpstreamError):
                return cause
            if isinstance(cause, MCPError) and cause.error.data is TOO_LARGE:
                most = self.config.max_result_bytes
                return UpstreamTooLarge(f"{self.name}: more than {most} bytes")
        if process.ended.is_set():
            return UpstreamDown(f"{self.name}: its process ended, {process.exit_reason}")
        for cause in causes:
            if isinstance(cause, MCPError):
                return cause
            if isinstance(cause, OSError):
                return UpstreamDown(f"{self.name}: cannot be started ({cause.strerror})")
            if isinstance(cause, ValidationError):
                return UpstreamError(f"{self.name}: {cause.error_count()} errors in its answer")
        return UpstreamError(f"{self.name}: {type(causes[0]).__name__}: {causes[0]}"[:300])
