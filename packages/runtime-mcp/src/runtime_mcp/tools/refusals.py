"""What an agent is told of a call that is not made: no more than of a tool that is not there."""

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, INVALID_REQUEST

from runtime_mcp.allowlist.decision import Decision

LONGEST_NAME = 160


def denied(decision: Decision, reason: str, detail: str) -> Decision:
    return Decision(allowed=False, reason=reason, detail=detail, revision=decision.revision)


def refusal_of(name: str, decision: Decision) -> MCPError:
    """What the agent is told: a tool that it may not see is not there."""
    match decision.reason:
        case "arguments":
            return MCPError(INVALID_PARAMS, f"These arguments are not allowed: {decision.detail}")
        case "project_missing":
            data = {"code": "project_missing"}
            return MCPError(INVALID_PARAMS, "Say the project in the header X-Project-ID.", data)
        case "too_often":
            data = {"code": "rate_limited"}
            return MCPError(INVALID_REQUEST, f"Called too often: {decision.detail}.", data)
        case _:
            return MCPError(INVALID_PARAMS, f"Unknown tool: {shown(name)}")


def shown(name: str) -> str:
    """A name as a caller wrote it, on one line and of bounded length; a tool's own as it is."""
    return name[:LONGEST_NAME].encode("unicode_escape").decode()[:LONGEST_NAME]
