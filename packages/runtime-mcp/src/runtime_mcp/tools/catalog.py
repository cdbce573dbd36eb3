"""Every tool that is there now, whoever may call it: the gateway's own and the upstreams'."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult, TextContent, Tool

from runtime_mcp.tools.builtin import COMPLETE, COMPLETE_TOOL, HELLO, HELLO_TOOL, LlmService
from runtime_mcp.upstreams.offering import OfferedTool
from runtime_mcp.upstreams.on_behalf import OnBehalf
from runtime_mcp.upstreams.pins import fingerprint_of
from runtime_mcp.upstreams.upstreams import Upstreams

Result = CallToolResult | InputRequiredResult


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call goes on with.

    Attributes:
        agent: the caller's name.
        headers: who calls and for which project, as they came; nothing else of the request.
        client_side: what the caller's client can be asked for and told.
    """

    params: CallToolRequestParams
    agent: str
    headers: Mapping[str, str]
    client_side: OnBehalf

    @property
    def arguments(self) -> dict[str, Any]:
        """As the caller wrote them."""
        return self.params.arguments or {}


@dataclass(frozen=True, slots=True)
class Offer:
    """
    Attributes:
        make: calls the tool.
        fingerprint: of all that an agent reads of it.
    """

    tool: Tool
    make: Callable[[Asked], Awaitable[Result]]
    fingerprint: str


class Offers:
    """
    Args:
        llm_service: None where it is not offered.
    """

    def __init__(self, upstreams: Upstreams, llm_service: LlmService | None) -> None:
        self._upstreams = upstreams
        self._own = {HELLO: Offer(HELLO_TOOL, hello, fingerprint_of(HELLO_TOOL))}
        if llm_service is not None:

            async def complete(asked: Asked) -> Result:
                return await llm_service.complete(asked.arguments, asked.headers)

            self._own[COMPLETE] = Offer(COMPLETE_TOOL, complete, fingerprint_of(COMPLETE_TOOL))

    def tools(self) -> list[Tool]:
        """All of them, in the order of their names."""
        own = [offer.tool for offer in self._own.values()]
        return sorted([*own, *self._upstreams.tools()], key=lambda tool: tool.name)

    def get(self, name: str) -> Offer | None:
        """The one of this name, when it is there now."""
        offered = self._upstreams.get(name)
        return self._own.get(name) if offered is None else of(offered)


def of(offered: OfferedTool) -> Offer:
    async def make(asked: Asked) -> Result:
        return await offered.server.call(
            offered.own_name, asked.params, asked.headers, asked.client_side
        )

    return Offer(offered.tool, make, offered.fingerprint)


async def hello(asked: Asked) -> Result:
    return CallToolResult(content=[TextContent(text=f"Hello, {asked.agent}!")])
