"""An MCP server over stdio, of the official SDK, whose tools say what it was given and do harm."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool

NAMES = ["echo", "given", "meta", "hang", "large", "die", "children", "grow", "noise", "pid"]
SCHEMA = {"type": "object"}
names = list(NAMES)
bus = InMemorySubscriptionBus()


async def list_tools(*_: Any) -> ListToolsResult:
    return ListToolsResult(tools=[Tool(name=name, input_schema=SCHEMA) for name in names])


async def call_tool(_: Any, params: CallToolRequestParams) -> CallToolResult:
    arguments = params.arguments or {}
    text = str(arguments.get("text", ""))
    match params.name:
        case "given":
            text = json.dumps({"env": dict(os.environ), "argv": sys.argv, "cwd": str(Path.cwd())})
        case "meta":
            text = json.dumps(params.meta or {})
        case "hang":
            await hang(Path(arguments["file"]))
        case "large":
            text = "x" * 3_000_000
        case "die":
            os._exit(7)
        case "children":
            sleeping = "import time; time.sleep(300)"
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", sleeping)
            text = str(process.pid)
        case "grow":
            names.append(f"grown-{len(names)}")
            await bus.publish(ToolsListChanged())
        case "noise":
            for number in range(2000):
                sys.stderr.write(f"noise {number} {text} {'y' * 5000}\n")
        case "pid":
            text = str(os.getpid())
    return CallToolResult(content=[TextContent(text=text)])


async def hang(file: Path) -> None:
    write(file, "called")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        write(file, "cancelled")
        raise


def write(file: Path, text: str) -> None:
    file.write_text(text)


async def serve() -> None:
    server = Server(
        "over-stdio",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_subscriptions_listen=ListenHandler(bus),
    )
    options = server.create_initialization_options(NotificationOptions(tools_changed=True))
    sys.stderr.write("ready\n")
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, options)


if __name__ == "__main__":
    asyncio.run(serve())
