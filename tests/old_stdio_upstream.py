"""An MCP server over stdio as there are many: of 2025, by hand, one thing after the other."""

import json
import sys
import time
from typing import Any

names = ["sleep", "grow", "junk", "large"]


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({**message, "jsonrpc": "2.0"}) + "\n")
    sys.stdout.flush()


def called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    text = name
    match name:
        case "sleep":
            time.sleep(float(arguments["seconds"]))
        case "grow":
            names.append(f"grown-{len(names)}")
            say({"method": "notifications/tools/list_changed"})
        case "junk":
            sys.stdout.write('Loading 100%\n{"half": \n\n')
        case "large":
            text = "x" * 3_000_000
    return {"content": [{"type": "text", "text": text}]}


def answered(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            return {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "old", "version": "1"},
            }
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        case "tools/call":
            return called(params["name"], params.get("arguments") or {})
    return None


def serve() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answered(message["method"], message.get("params") or {})
        if result is None:
            say({"error": {"code": -32601, "message": "?"}, "id": message["id"]})
        else:
            # Its number comes last, as other SDKs write it.
            say({"result": result, "id": message["id"]})


if __name__ == "__main__":
    serve()
