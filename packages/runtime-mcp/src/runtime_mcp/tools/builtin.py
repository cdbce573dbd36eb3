"""The gateway's own tools: one says hello, one asks an LLM through the service for LLM access."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations

from chassis.http.client_body import BodyError, read_whole

HELLO = "hello_world"
COMPLETE = "llm_complete"
CLOSED = {"additionalProperties": False}

HELLO_TOOL = Tool(
    name=HELLO,
    title="Hello",
    description="Says hello, and to whom. Needs no project: with it an agent tries its key.",
    input_schema={"type": "object", "properties": {}} | CLOSED,
    annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
)
COMPLETE_TOOL = Tool(
    name=COMPLETE,
    title="Ask an LLM",
    description="One answer of an LLM, on the account of the caller's project.",
    input_schema={
        "type": "object",
        "properties": {
            "prompt": {"type": "string", "minLength": 1, "maxLength": 200_000},
            "model": {"type": "string", "description": "An alias of the LLM gateway."},
            "max_tokens": {"type": "integer", "minimum": 1, "maximum": 65_536},
        },
        "required": ["prompt"],
    }
    | CLOSED,
    annotations=ToolAnnotations(read_only_hint=True, open_world_hint=True),
)


def failed(text: str, code: str) -> CallToolResult:
    """The result of a tool that failed.

    Args:
        code: short, for a program; in `_meta`, for structured content belongs to a tool's schema.
    """
    return CallToolResult(content=[TextContent(text=text)], is_error=True, _meta={"code": code})


class LlmService:
    """The service for LLM access, as `llm_complete` calls it.

    Args:
        url: of the service, without a path.
        timeout: seconds for one call.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, timeout: float) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/llm/complete"
        self._timeout = timeout

    async def complete(
        self, arguments: Mapping[str, Any], headers: Mapping[str, str]
    ) -> CallToolResult:
        """What the service answers; its problem object where it has none.

        Args:
            headers: that go on; see `guard.forwarded`.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with (
                asyncio.timeout_at(deadline),
                self._http.post(
                    self._url, json=dict(arguments), headers=headers, allow_redirects=False
                ) as response,
            ):
                answer = json.loads(await read_whole(response, deadline))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, BodyError):
            return failed("The service for LLM access does not answer.", "llm_service_unavailable")
        if not isinstance(answer, dict):
            return failed("The service for LLM access does not answer.", "llm_service_unavailable")
        if response.status != 200:
            return failed(str(answer.get("detail")), str(answer.get("code")))
        text = TextContent(text=str(answer.get("text")))
        return CallToolResult(content=[text], structured_content=answer)
