"""The MCP side: what a client may list and call, each request on its own.

Nothing is kept between requests (MCP 2026-07-28 has no sessions; older clients are served without).
"""

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types import CallToolRequestParams, ListToolsResult, PaginatedRequestParams
from starlette.requests import Request

from chassis.http.request_state import trace_of
from runtime_mcp.agents.guard import agent_of, forwarded
from runtime_mcp.tools.call import ToolCalls
from runtime_mcp.upstreams.tool_request import ClientSide, Result, ToolRequest

NAME = "em-runtime-mcp"

Context = ServerRequestContext[Any, Request]


def mcp_server(version: str) -> Server[Any]:
    """The server; its parts come with each request."""
    return Server(NAME, version=version, on_list_tools=list_tools, on_call_tool=call_tool)


async def list_tools(context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
    request = request_of(context)
    calls: ToolCalls = request.state.app.calls
    return ListToolsResult(tools=calls.visible(agent_of(request)))


async def call_tool(context: Context, params: CallToolRequestParams) -> Result:
    request = request_of(context)
    calls: ToolCalls = request.state.app.calls
    agent, trace = agent_of(request), trace_of(request)
    headers = forwarded(request.headers, trace)
    return await calls.call(
        agent, trace, ToolRequest(params, headers, client_side(context), agent.name)
    )


def client_side(context: Context) -> ClientSide:
    """What the caller's client can be asked for and, if it asked to be, told on the way."""
    wants_progress = "progress_token" in (context.meta or {})
    return ClientSide(
        capabilities=context.session.client_capabilities,
        progress=context.session.report_progress if wants_progress else None,
    )


def request_of(context: Context) -> Request:
    """The HTTP request that brought this message: identity is of this one and of no other."""
    if context.request is None:
        raise RuntimeError("the gateway is reached over HTTP alone")
    return context.request
