"""Around every request: its ids, in the answer too, and an end to bodies that are too large.

Pure ASGI: `BaseHTTPMiddleware` would hide the client's disconnect from the routes.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import InternalError, RequestTooLarge
from api.logs import log
from api.problems import problem_response
from api.tracing import Trace


class RequestContext:
    """Gives the request its trace, and every answer its `X-Request-ID`.

    Args:
        max_body_bytes: a declared length above this is refused unread; FastAPI counts the rest.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trace = Trace.from_headers(headers.get("traceparent"), headers.get("x-request-id"))
        scope.setdefault("state", {})["trace"] = trace
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-ID"] = trace.request_id
            await send(message)

        try:
            if declared_length(headers) > self._max_body_bytes:
                response = problem_response(RequestTooLarge(), trace)
                await response(scope, receive, send_with_id)
            else:
                await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request_failed", request_id=trace.request_id, path=scope["path"])
            if started:
                raise
            await problem_response(InternalError(), trace)(scope, receive, send_with_id)


def declared_length(headers: Headers) -> int:
    """The body's length in bytes as its header says; 0 without one."""
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() and len(value) < 20 else 0
