"""At the door: without a caller nobody gets further than to what is listed here.

Who calls is asked before the body is read and before the address is looked at. So a new route needs
no word about it, and no spelling of an address goes round it.
"""

from typing import Annotated

from fastapi import Depends
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app_state import Parts
from api.tickets.granting import granted
from chassis.errors import NotFound
from chassis.http.request_state import caller_of
from chassis.identity.callers import CallerId

PUBLIC = frozenset(
    {"/", "/docs", "/health", "/health/live", "/health/ready", "/metrics", "/openapi.json"}
)
PUBLIC_FOLDER = "/docs/assets/"
WITH_TICKET = "/llm/stream"


async def caller_at_the_door(request: Request) -> CallerId:
    return caller_of(request)


Caller = Annotated[CallerId, Depends(caller_at_the_door)]


class Guard:
    """Gives each request its `caller` and, where it came with a ticket, what that was given for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_public(path := path_of(scope)):
            headers = Headers(scope=scope)
            parts: Parts = scope["state"]["parts"]
            tickets = tickets_in(scope) if path == WITH_TICKET else []
            if tickets:
                grant = await granted(tickets, headers, parts.tickets)
                scope["state"] |= {"caller": grant.caller, "grant": grant}
            else:
                scope["state"]["caller"] = await parts.identity.caller(headers)
            if path.endswith("\n"):
                # 1. A route's pattern ends in `$`, which passes over a line break at the end.
                raise NotFound("the address ends in a line break")
        await self._app(scope, receive, send)


def tickets_in(scope: Scope) -> list[str]:
    if scope["method"] != "GET":
        return []
    return QueryParams(scope["query_string"]).getlist("ticket")


def path_of(scope: Scope) -> str:
    """The address within the service, decoded as the routes see it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_FOLDER)
