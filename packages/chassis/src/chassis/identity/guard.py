"""No caller, no further: without one nobody gets further than to the public paths.

Who calls is asked before the body is read and before the address is looked at. So a new route needs
no word about it, and no spelling of an address goes round it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.errors import NotFound
from chassis.identity.callers import Caller

Authenticate = Callable[[Scope], Awaitable[Mapping[str, Any]]]


class Guard:
    """Middleware that gives each request its `caller`.

    Args:
        authenticate: finds out who sent a request; gives what its state gets, at least `caller`.
            Raises a ServiceError where nobody, or nobody known, did.
        public: the paths that need no caller; one that ends in `/` stands for all below it.
    """

    def __init__(self, app: ASGIApp, authenticate: Authenticate, public: Collection[str]) -> None:
        self._app = app
        self._authenticate = authenticate
        self._public = frozenset(path for path in public if path == "/" or path[-1] != "/")
        self._folders = tuple(path for path in public if path != "/" and path[-1] == "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_public(path := path_of(scope)):
            scope["state"] |= await self._authenticate(scope)
            if path.endswith("\n"):
                # 1. A route's pattern ends in `$`, which passes over a line break at the end.
                raise NotFound("the address ends in a line break")
        await self._app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        return path in self._public or path.startswith(self._folders)


def path_of(scope: Scope) -> str:
    """The path within the service, decoded as the routes see it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def caller_of(request: Request) -> Caller:
    """Who calls, as the guard found out."""
    return cast(Caller, request.state.caller)
