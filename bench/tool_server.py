"""`python -m bench.tool_server PORT`: an MCP server with one tool, which says what it was told."""

import sys
from typing import Any

import uvicorn
from mcp.server.lowlevel.server import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


async def listed(*_: Any) -> ListToolsResult:
    return ListToolsResult(tools=[Tool(name="echo", description="Says it back", input_schema=TEXT)])


async def called(_: Any, params: CallToolRequestParams) -> CallToolResult:
    text = str((params.arguments or {})["text"])
    return CallToolResult(content=[TextContent(text=text)])


async def live(_: Request) -> Response:
    return Response()


def main() -> None:
    server = Server("bench", on_list_tools=listed, on_call_tool=called)
    app = server.streamable_http_app(stateless_http=True)
    app.routes.append(Route("/health", live))
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
