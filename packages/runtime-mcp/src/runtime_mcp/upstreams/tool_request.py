"""A tool call on its way to the server that has the tool."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    METHOD_NOT_FOUND,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ErrorData,
    InputRequiredResult,
    RequestParamsMeta,
)
from pydantic import TypeAdapter

Result = CallToolResult | InputRequiredResult
RESULT: TypeAdapter[Result] = TypeAdapter(Result)


@dataclass(frozen=True, slots=True)
class ClientSide:
    """What an upstream may know of the client behind a call, and report to it meanwhile.

    Attributes:
        capabilities: what the client can be asked for; it is asked in a result, never in between.
        progress: takes reports; None where the client did not ask for any.
    """

    capabilities: ClientCapabilities | None = None
    progress: ProgressFnT | None = None

    def declared(self) -> dict[str, Any]:
        """What makes a client of the SDK declare the same capabilities."""
        can = self.capabilities
        if can is None:
            return {}
        callbacks = {
            "sampling_callback": can.sampling,
            "elicitation_callback": can.elicitation,
            "list_roots_callback": can.roots,
        }
        declared: dict[str, Any] = {
            name: not_in_between for name, each in callbacks.items() if each is not None
        }
        return declared | {"sampling_capabilities": can.sampling}


async def not_in_between(*_: Any) -> ErrorData:
    """The answer to a server that asks in the middle of a call, as those of before 2026 do."""
    return ErrorData(code=METHOD_NOT_FOUND, message="the client cannot be asked during a call")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """
    Attributes:
        headers: who calls and for which project, by lower-case name; nothing else of the request.
        client_side: what the caller's client can be asked for, and its progress reports.
        agent: the caller's name.
    """

    params: CallToolRequestParams
    headers: Mapping[str, str]
    client_side: ClientSide = field(default_factory=ClientSide)
    agent: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """As the caller wrote them."""
        return self.params.arguments or {}

    def to_server(self, tool: str, meta: Mapping[str, Any] | None = None) -> CallToolRequest:
        """As it goes on. Not by the session's `call_tool`, which would list the tools again, to
        check what the agent's side checks.

        Args:
            tool: as its server calls it.
        """
        return CallToolRequest(
            params=CallToolRequestParams(
                name=tool,
                arguments=self.params.arguments,
                input_responses=self.params.input_responses,
                request_state=self.params.request_state,
                _meta=cast(RequestParamsMeta, dict(meta)) if meta else None,
            )
        )
