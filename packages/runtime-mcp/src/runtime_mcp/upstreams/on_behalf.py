"""What an upstream may know of the client behind a call, and tell it while that is under way."""

from dataclasses import dataclass
from typing import Any

from mcp.shared.dispatcher import ProgressFnT
from mcp_types import METHOD_NOT_FOUND, ClientCapabilities, ErrorData


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """
    Attributes:
        capabilities: what the client can be asked for; it is asked in a result, never in between.
        progress: tells the client; None where it did not ask to be told.
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
