"""One upstream server, whichever way it is reached: so many calls at a time, each with an end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    HEADER_MISMATCH,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ErrorData,
    InputRequiredResult,
    RequestParamsMeta,
    Tool,
)
from pydantic import TypeAdapter

from runtime_mcp.upstreams.config import HttpServerConfig, StdioServerConfig
from runtime_mcp.upstreams.errors import UpstreamBusy, UpstreamDown, UpstreamRefused

Result = CallToolResult | InputRequiredResult
RESULT: TypeAdapter[Result] = TypeAdapter(Result)
STALE = (HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION)
"""The server's words for that it is not any more what it was at the last look."""
LEAST_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True, slots=True)
class ClientSide:
    """What an upstream may know of the client behind a call, and tell it while that is under way.

    Attributes:
        capabilities: what the client can be asked for; it is asked in a result, never in between.
        progress: tells the client; None where it did not ask to be told.
    """

    capabilities: ClientCapabilities | None = None
    progress: ProgressFnT | None = None

    def declared(self) -> dict[str, Any]:
        """What makes a client of the SDK declare the same capabilities."""
        can = self.capabilities
        if can is None:
            return {}
        callbacks = {
            "sampling_callback": can.sampling,
            "elicitation_callback": can.elicitation,
            "list_roots_callback": can.roots,
        }
        declared: dict[str, Any] = {
            name: not_in_between for name, each in callbacks.items() if each is not None
        }
        return declared | {"sampling_capabilities": can.sampling}


async def not_in_between(*_: Any) -> ErrorData:
    """The answer to a server that asks in the middle of a call, as those of before 2026 do."""
    return ErrorData(code=METHOD_NOT_FOUND, message="the client cannot be asked during a call")


class Server(ABC):
    """
    Args:
        name: what its tools' names begin with.
    """

    def __init__(self, name: str, config: HttpServerConfig | StdioServerConfig) -> None:
        self.name = name
        self.config = config
        self.under_way = 0
        self._is_over = False
        self._worth_a_look = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[None]:
        """Around its looks and calls.

        Raises:
            UpstreamError: it cannot be reached, or not any more.
        """

    @abstractmethod
    async def tools(self) -> list[Tool]:
        """All that it offers.

        Raises:
            UpstreamError: it does not say.
            MCPError: it says why not.
        """

    @abstractmethod
    async def _call(
        self,
        tool: str,
        params: CallToolRequestParams,
        headers: Mapping[str, str],
        client_side: ClientSide,
    ) -> Result: ...

    async def aclose(self) -> None:
        """Takes no more calls, and ends those under way."""
        self._is_over = True

    async def call(
        self,
        tool: str,
        params: CallToolRequestParams,
        headers: Mapping[str, str],
        client_side: ClientSide,
    ) -> Result:
        """
        Args:
            tool: as the server calls it.
            headers: who calls and for which project, by lower-case name.
            client_side: what its client can be asked for and told.

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
            return await self._call(tool, params, headers, client_side)
        except (UpstreamDown, UpstreamRefused):
            self.look()
            raise
        except MCPError as error:
            if error.code in STALE:
                self.look()
            raise
        finally:
            self.under_way -= 1
            if not self.under_way:
                self._idle.set()

    def look(self) -> None:
        """There is reason to look at its tools now."""
        self._worth_a_look.set()

    async def until_worth_a_look(self, at_the_latest: float) -> None:
        """Returns when there is reason to, or after so many seconds."""
        await asyncio.sleep(min(LEAST_BETWEEN_LOOKS, at_the_latest))
        try:
            async with asyncio.timeout(at_the_latest):
                await self._worth_a_look.wait()
        except TimeoutError:
            pass
        self._worth_a_look.clear()

    async def until_idle(self) -> None:
        """Returns when no call is under way."""
        await self._idle.wait()


def request_of(
    tool: str, params: CallToolRequestParams, meta: Mapping[str, Any] | None = None
) -> CallToolRequest:
    """The call as it goes on. Sent as it is and not by the session's `call_tool`, which would ask
    for the tools again, to check what the agent's side checks."""
    return CallToolRequest(
        params=CallToolRequestParams(
            name=tool,
            arguments=params.arguments,
            input_responses=params.input_responses,
            request_state=params.request_state,
            _meta=cast(RequestParamsMeta, dict(meta)) if meta else None,
        )
    )
