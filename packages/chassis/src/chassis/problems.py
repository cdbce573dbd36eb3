"""The only place that makes an error's body: RFC 9457 `application/problem+json`."""

import math
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from chassis.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTooLarge,
    ServiceError,
    Unauthenticated,
)
from chassis.logs import log
from chassis.trace_context import Trace

BY_STATUS: dict[int, type[ServiceError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequest,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: RequestTooLarge,
}
MOST_ERRORS = 20
LONGEST_NAME = 100
"""In `errors` of a 422, which else is as large as the body at fault, or ten times as large."""


def problem(error: ServiceError, trace: Trace) -> dict[str, Any]:
    """The problem object of this error, the same for a JSON answer and an `error` event."""
    body: dict[str, Any] = {
        "type": f"urn:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": trace.request_id,
        "trace_id": trace.trace_id,
    }
    wait = error.advice if error.retry_after is None else error.retry_after
    if wait is not None:
        body["retry_after"] = math.ceil(wait)
    return body | error.extra


def problem_response(error: ServiceError, trace: Trace) -> Response:
    """The problem as an answer, with `Retry-After` where it applies."""
    body = problem(error, trace)
    headers: dict[str, str] = {}
    if "retry_after" in body:
        headers["Retry-After"] = str(body["retry_after"])
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if attempts := body.get("attempts"):
        headers["Server-Timing"] = server_timing(
            wait_ms=sum(attempt["wait_ms"] for attempt in attempts),
            gateway_ms=sum(attempt["duration_ms"] for attempt in attempts),
        )
    return Response(
        msgspec.json.encode(body), error.status, headers, media_type="application/problem+json"
    )


def server_timing(*, wait_ms: int, gateway_ms: int) -> str:
    """Where the time went, for a browser's developer tools.

    Source: W3C Server Timing; durations are in milliseconds.
    """
    return f"gateway;dur={gateway_ms}, wait;dur={wait_ms}"


def translate(error: Exception) -> ServiceError:
    """Our name for an exception of the framework; none of its text goes out."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, RequestValidationError):
        invalid = InvalidRequest("the request does not fit its schema")
        invalid.extra["errors"] = [
            {"loc": [printable(part) for part in e["loc"]], "msg": e["msg"], "type": e["type"]}
            for e in error.errors()[:MOST_ERRORS]
        ]
        return invalid
    if isinstance(error, HTTPException) and (known := BY_STATUS.get(error.status_code)):
        return known(error.detail)
    return InternalError(type(error).__name__)


def printable(part: int | str) -> int | str:
    """A field's name as the caller wrote it, not too long, without what UTF-8 cannot carry."""
    if isinstance(part, int):
        return part
    return part[:LONGEST_NAME].encode(errors="replace").decode()


async def handle(request: Request, error: Exception) -> Response:
    """FastAPI's handler for everything that a route or a dependency raises."""
    translated = translate(error)
    response = refusal(translated, request.scope)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    if isinstance(translated, MethodNotAllowed) and (methods := allowed_methods(request)):
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def refusal(error: ServiceError, scope: Scope) -> Response:
    """The problem as an answer; logged and counted here where it is not that of a call."""
    trace: Trace = scope["state"]["trace"]
    if not error.is_logged:
        scope["state"]["count_refusal"](error.code)
        write = log.warning if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
        write(
            "request_refused",
            outcome=error.code,
            status=error.status,
            reason=error.reason,
            remedy=error.remedy,
            path=scope["path"],
            request_id=trace.request_id,
            trace_id=trace.trace_id,
        )
    return problem_response(error, trace)


def allowed_methods(request: Request) -> set[str]:
    """All that the address takes: Starlette would name those of its first route only."""
    return {
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }
