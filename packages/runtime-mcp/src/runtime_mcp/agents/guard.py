"""At the door: every request says which agent it comes from, and nothing is remembered of the last.

Who calls is found out before the body is read. The project is read here and asked for by the tools
that need one.
"""

from dataclasses import dataclass
from typing import cast

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.project_id import HEADER, one_project
from chassis.trace_context import Trace
from runtime_mcp.agents.agent import Agent
from runtime_mcp.app_state import Parts

FORWARDED = ("authorization", "x-project-id")
PUBLIC = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and on whose account.

    Attributes:
        project: None where the header is missing.
    """

    agent: Agent
    project: str | None


def caller_of(request: Request) -> Caller:
    """Who sent this request, as the door found out."""
    return cast(Caller, request.state.caller)


def trace_of(request: Request) -> Trace:
    """The trace that the middleware gave this request."""
    return cast(Trace, request.state.trace)


def forwarded(headers: Headers, trace: Trace) -> dict[str, str]:
    """What goes on to the tool: who calls and for which project, as it came, and our trace."""
    kept = {name: headers[name] for name in FORWARDED if name in headers}
    return kept | {"traceparent": trace.traceparent}


class Door:
    """Gives each request its `caller`; without one it goes no further."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PUBLIC:
            # White space around a value is no part of it (RFC 9110, 5.5); httptools leaves it.
            scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            headers = Headers(scope=scope)
            parts: Parts = scope["state"]["parts"]
            agent = await parts.agents.agent(headers)
            projects = headers.getlist(HEADER)
            project = str(one_project(projects)) if any(projects) else None
            scope["state"]["caller"] = Caller(agent, project)
        await self._app(scope, receive, send)
