"""Without tokens, no page of another site may use a service because its reader can reach it.

A browser reaches what listens on the loopback for every page that is open in it. Such a page cannot
read the answer, but the call would be made, and paid.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.addresses import is_loopback
from chassis.errors import ForeignPage

LINKED = {"/", "/docs"}
"""What a link on any page may lead to: it costs nothing, and no page sees it but the reader."""


class SameSite:
    """Refuses what a page of another site asks for.

    Args:
        origins: pages of these may ask.
        on_loopback: only the loopback's names lead here then, and a page that comes by another name
            had it point here itself, to pass for ours (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], on_loopback: bool) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._on_loopback = on_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "localhost")
            if self._on_loopback and not is_loopback(name_in(host)):
                raise ForeignPage("the Host it came by is no name of the loopback")
            if self._is_foreign(scope, headers) and not is_link(scope, headers):
                raise ForeignPage("its origin is not in CORS_ALLOW_ORIGINS")
        await self._app(scope, receive, send)

    def _is_foreign(self, scope: Scope, headers: Headers) -> bool:
        """Source: W3C Fetch Metadata; a browser that is older sends at least an `Origin`."""
        origin = headers.get("origin")
        if origin in self._origins:
            return False
        if site := headers.get("sec-fetch-site"):
            return site not in {"same-origin", "none"}
        return origin not in {None, f"{scope['scheme']}://{headers.get('host')}"}


def is_link(scope: Scope, headers: Headers) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return path in LINKED and headers.get("sec-fetch-mode") == "navigate"


def name_in(host: str) -> str:
    """The name or number in a `Host` header, without the port; empty when it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
