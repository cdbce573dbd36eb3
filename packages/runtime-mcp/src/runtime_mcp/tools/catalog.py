"""Every tool that there is now, whoever may call it: the gateway's own and the upstreams'."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from mcp_types import CallToolResult, TextContent, Tool

from runtime_mcp.tools.builtin import COMPLETE, COMPLETE_TOOL, HELLO, HELLO_TOOL, LlmService
from runtime_mcp.upstreams.offering import OfferedTool, fingerprint_of
from runtime_mcp.upstreams.tool_request import Result, ToolRequest
from runtime_mcp.upstreams.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class CatalogTool:
    """
    Attributes:
        call: calls the tool.
        fingerprint: of all that an agent reads of it.
    """

    tool: Tool
    call: Callable[[ToolRequest], Awaitable[Result]]
    fingerprint: str


class Catalog:
    """
    Args:
        llm_service: None where it is not offered.
    """

    def __init__(self, upstreams: Upstreams, llm_service: LlmService | None) -> None:
        self._upstreams = upstreams
        self._own = {HELLO: CatalogTool(HELLO_TOOL, hello, fingerprint_of(HELLO_TOOL))}
        if llm_service is not None:

            async def complete(request: ToolRequest) -> Result:
                return await llm_service.complete(request.arguments, request.headers)

            self._own[COMPLETE] = CatalogTool(
                COMPLETE_TOOL, complete, fingerprint_of(COMPLETE_TOOL)
            )

    def tools(self) -> list[Tool]:
        """All of them, in the order of their names."""
        own = [each.tool for each in self._own.values()]
        return sorted([*own, *self._upstreams.tools()], key=lambda tool: tool.name)

    def get(self, name: str) -> CatalogTool | None:
        """The one of this name, when it is there now."""
        offered = self._upstreams.get(name)
        return self._own.get(name) if offered is None else of_upstream(offered)


def of_upstream(offered: OfferedTool) -> CatalogTool:
    call = partial(offered.server.call, offered.own_name)
    return CatalogTool(offered.tool, call, offered.fingerprint)


async def hello(request: ToolRequest) -> Result:
    return CallToolResult(content=[TextContent(text=f"Hello, {request.agent}!")])
