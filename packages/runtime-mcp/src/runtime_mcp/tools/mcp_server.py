"""The MCP side: what a client may list and call, each request on its own.

Nothing is kept between requests (MCP 2026-07-28 has no sessions; older clients are served without).
"""

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from starlette.requests import Request

from chassis.http.request_state import trace_of
from runtime_mcp.agents.guard import caller_of, forwarded
from runtime_mcp.tools.call import Calls
from runtime_mcp.tools.catalog import Asked
from runtime_mcp.upstreams.on_behalf import OnBehalf

NAME = "em-runtime-mcp"

Context = ServerRequestContext[Any, Request]


def mcp_server(version: str) -> Server[Any]:
    """The server; its parts come with each request."""
    return Server(
        NAME,
        version=version,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def list_tools(context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
    request = request_of(context)
    calls: Calls = request.state.app.calls
    return ListToolsResult(tools=calls.visible(caller_of(request).agent))


async def call_tool(
    context: Context, params: CallToolRequestParams
) -> CallToolResult | InputRequiredResult:
    request = request_of(context)
    calls: Calls = request.state.app.calls
    caller = caller_of(request)
    trace = trace_of(request)
    asked = Asked(
        params, caller.agent.name, forwarded(request.headers, trace), client_side(context)
    )
    return await calls.call(caller, trace, asked)


def client_side(context: Context) -> OnBehalf:
    """What the caller's client can be asked for and, if it asked to be, told on the way."""
    wants_progress = "progress_token" in (context.meta or {})
    return OnBehalf(
        capabilities=context.session.client_capabilities,
        progress=context.session.report_progress if wants_progress else None,
    )


def request_of(context: Context) -> Request:
    """The HTTP request that brought this message: identity is of this one and of no other."""
    if context.request is None:
        raise RuntimeError("the gateway is reached over HTTP alone")
    return context.request
