"""Every request says which agent it comes from, and nothing is kept of the last.

Who calls is found out before the body is read. The project is read here and required by the tools
that need one.
"""

from typing import cast

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from chassis.identity.callers import Identity
from chassis.project_id import HEADER, one_project
from chassis.trace_context import Trace
from runtime_mcp.agents.agent import Agent

FORWARDED = ("authorization", "x-project-id")
PUBLIC = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})


def agent_of(request: Request) -> Agent:
    """Who sent this request, as the guard found out."""
    return cast(Agent, request.state.caller)


def forwarded(headers: Headers, trace: Trace) -> dict[str, str]:
    """What goes on to the tool: who calls and for which project, as it came, and our trace."""
    kept = {name: headers[name] for name in FORWARDED if name in headers}
    return kept | {"traceparent": trace.traceparent}


async def authenticate(scope: Scope) -> dict[str, Agent]:
    """Who sent the request of this scope.

    Raises:
        Unauthenticated, IdentityUnavailable: see `Identity.caller`.
        ProjectInvalid: the project is malformed, or given more than once.
    """
    # White space around a value is no part of it (RFC 9110, 5.5); httptools leaves it.
    scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
    headers = Headers(scope=scope)
    identity: Identity = scope["state"]["app"].identity
    caller = await identity.caller(headers)
    projects = headers.getlist(HEADER)
    project = str(one_project(projects)) if any(projects) else None
    return {"caller": Agent(caller.subject, caller.organisation, project=project)}
