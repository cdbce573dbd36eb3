"""Around every request: its ids, in the answer too, and an end to bodies that are too large.

Pure ASGI: `BaseHTTPMiddleware` would hide the client's disconnect from the routes. FastAPI's own
`max_body_size` is three more layers, and answers a declared length in plain text.
"""

from sse_starlette.sse import SendTimeoutError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import InternalError, RequestTooLarge, ServiceError
from chassis.logs import log
from chassis.problems import problem_response, refusal
from chassis.trace_context import Trace


class RequestContext:
    """Gives the request its trace, every answer its `X-Request-ID`, and every body its bound.

    Args:
        max_body_bytes: a body above this is refused, unread when its length is declared.
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
        taken = 0

        async def receive_bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            # 1. What comes while the answer goes out is thrown away by whoever waits for the end.
            if taken > self._max_body_bytes and not started:
                # 2. An HTTPException, because FastAPI answers any other one here by a 400.
                raise HTTPException(RequestTooLarge.status)
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-ID"] = trace.request_id
            await send(message)

        try:
            if declared_length(headers) > self._max_body_bytes:
                raise RequestTooLarge
            await self._app(scope, receive_bounded, send_with_id)
        except ServiceError as error:
            await refusal(error, scope)(scope, receive, send_with_id)
        except SendTimeoutError:
            log.warning("client_reads_too_slowly", request_id=trace.request_id)
        except Exception:
            scope["state"]["count_refusal"](InternalError.code)
            log.exception("request_failed", request_id=trace.request_id, path=scope["path"])
            if started:
                raise
            await problem_response(InternalError(), trace)(scope, receive, send_with_id)


def declared_length(headers: Headers) -> int:
    """The body's length in bytes as its header says; 0 without one."""
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() and len(value) < 20 else 0
