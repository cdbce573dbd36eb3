"""An MCP server with the tools that the conformance suite calls, by their names there."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ListToolsResult,
    TextContent,
    TextResourceContents,
    Tool,
)

Result = CallToolResult | InputRequiredResult
Handler = Callable[[Any, CallToolRequestParams], Awaitable[Result]]

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
SILENCE = base64.b64encode(b"RIFF\x04\x00\x00\x00WAVE").decode()
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"place": {"$anchor": "place", "type": "object"}, "address": {"$anchor": "address"}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "allOf": [{"anyOf": [{"required": ["name"]}, {"required": ["address"]}]}],
    "if": {"required": ["name"]},
    "then": {"minProperties": 1},
    "else": {"minProperties": 1},
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "json_schema_2020_12_tool": SCHEMA_2020_12,
    "mirrored_argument": {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    },
}


class ConformanceUpstream:
    """Keeps nothing between calls: what a next round needs is in its signed state."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._tools: dict[str, Handler] = {
            "test_simple_text": says(TextContent(text="This is a simple text.")),
            "test_image_content": says(ImageContent(data=PIXEL, mime_type="image/png")),
            "test_audio_content": says(AudioContent(data=SILENCE, mime_type="audio/wav")),
            "test_embedded_resource": says(embedded()),
            "test_multiple_content_types": says(
                TextContent(text="several"),
                ImageContent(data=PIXEL, mime_type="image/png"),
                embedded(),
            ),
            "test_error_handling": fails,
            "test_tool_with_progress": progresses,
            "test_missing_capability": needs_sampling,
            "test_logging_tool": says(TextContent(text="It logs nothing.")),
            "test_streaming_elicitation": self._asks(user_name=elicit("name")),
            "mirrored_argument": says(TextContent(text="ok")),
            "json_schema_2020_12_tool": says(TextContent(text="ok")),
            "test_input_required_result_elicitation": self._asks(user_name=elicit("name")),
            "test_input_required_result_sampling": self._asks(capital_question=SAMPLE),
            "test_input_required_result_list_roots": self._asks(client_roots=ROOTS),
            "test_input_required_result_request_state": self._asks("state", confirm=elicit("ok")),
            "test_input_required_result_multiple_inputs": self._asks(
                "several", user_name=elicit("name"), greeting=SAMPLE, client_roots=ROOTS
            ),
            "test_input_required_result_tampered_state": self._asks("state", confirm=elicit("ok")),
            "test_input_required_result_multi_round": self._two_rounds,
            "test_input_required_result_capabilities": what_the_client_can,
        }

    def app(self) -> Any:
        handlers: Any = {"on_list_tools": self._list, "on_call_tool": self._call}
        server = Server("conformance", version="1", **handlers)
        return server.streamable_http_app(stateless_http=True)

    async def _list(self, *_: Any) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=name,
                    description=f"For the scenario that calls {name}",
                    input_schema=SCHEMAS.get(name, {"type": "object"}),
                )
                for name in sorted(self._tools)
            ]
        )

    async def _call(self, context: Any, params: CallToolRequestParams) -> Result:
        return await self._tools[params.name](context, params)

    def _asks(self, state: str | None = None, **wanted: Any) -> Handler:
        """A tool that wants all of these answered, and its state back as it was."""

        async def call(_: Any, params: CallToolRequestParams) -> Result:
            given = params.input_responses or {}
            if not all(given.get(name) for name in wanted):
                return required(wanted, state and self._signed(state))
            if state is not None:
                self._check(state, params.request_state)
            said = {name: str(given[name]) for name in wanted}
            return CallToolResult(content=[TextContent(text=f"state-ok {said}")])

        return call

    async def _two_rounds(self, _: Any, params: CallToolRequestParams) -> Result:
        given = params.input_responses or {}
        if "step2" in given:
            self._check("two", params.request_state)
            return CallToolResult(content=[TextContent(text="Both are answered.")])
        if "step1" in given:
            self._check("one", params.request_state)
            return required({"step2": elicit("color")}, self._signed("two"))
        return required({"step1": elicit("name")}, self._signed("one"))

    def _signed(self, state: str) -> str:
        return f"{state}.{hmac.new(self._key, state.encode(), hashlib.sha256).hexdigest()}"

    def _check(self, state: str, echoed: str | None) -> None:
        if not hmac.compare_digest(self._signed(state), echoed or ""):
            raise MCPError(INVALID_PARAMS, "The state is not the one that was given.")


def says(*content: Any) -> Handler:
    async def call(*_: Any) -> Result:
        return CallToolResult(content=list(content))

    return call


async def fails(*_: Any) -> Result:
    return CallToolResult(content=[TextContent(text="It fails, as asked.")], is_error=True)


async def progresses(context: Any, _: CallToolRequestParams) -> Result:
    for progress in (0, 50, 100):
        await context.session.report_progress(progress, 100)
        await asyncio.sleep(0.02)
    return CallToolResult(content=[TextContent(text="done")])


async def needs_sampling(context: Any, _: CallToolRequestParams) -> Result:
    can = context.session.client_capabilities
    if can is None or can.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "It needs sampling.",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return CallToolResult(content=[TextContent(text="sampling is there")])


async def what_the_client_can(context: Any, _: CallToolRequestParams) -> Result:
    can = context.session.client_capabilities
    wanted = {"sampled": SAMPLE} if can and can.sampling is not None else {}
    if can and can.elicitation is not None:
        wanted["elicited"] = elicit("name")
    return required(wanted, "asked")


def elicit(field: str) -> dict[str, Any]:
    kind = "boolean" if field == "ok" else "string"
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    asked = {"message": f"Say your {field}.", "requestedSchema": schema}
    return {"method": "elicitation/create", "params": asked}


SAMPLE = {
    "method": "sampling/createMessage",
    "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": "Which capital?"}}],
        "maxTokens": 100,
    },
}
ROOTS: dict[str, Any] = {"method": "roots/list", "params": {}}


def required(wanted: dict[str, Any], state: str | None) -> InputRequiredResult:
    return InputRequiredResult.model_validate({"inputRequests": wanted, "requestState": state})


def embedded() -> EmbeddedResource:
    text = TextResourceContents(uri="test://embedded", mime_type="text/plain", text="embedded")
    return EmbeddedResource(resource=text)
