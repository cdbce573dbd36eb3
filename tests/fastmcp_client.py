"""FastMCP's client, in a process of its own: lists and calls what it is told on stdin as JSON.

In: `url`, `headers`, `mode` and `calls`, each a tool's name and arguments. Out: the `tools` and, of
each call, the `text` of its result or the `error`.
"""

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import MCPError, ToolError


async def said(asked: dict[str, Any]) -> dict[str, Any]:
    transport = StreamableHttpTransport(asked["url"], headers=asked["headers"])
    async with Client(transport, mode=asked["mode"]) as client:
        tools = [tool.name for tool in await client.list_tools()]
        answers = [await answer(client, name, arguments) for name, arguments in asked["calls"]]
        return {"tools": tools, "answers": answers}


async def answer(client: Client[Any], name: str, arguments: dict[str, Any]) -> dict[str, str]:
    try:
        result = await client.call_tool(name, arguments)
    except (ToolError, MCPError) as error:
        return {"error": str(error)}
    return {"text": result.content[0].text}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(said(json.load(sys.stdin)))))
