"""What litellm raises, as one of our errors: by the gateway's answer if any, else by its kind.

litellm's classes say little: a refused connection is an InternalServerError, a wrong key a
BadRequestError. What the gateway answered is further down the chain of exceptions.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from api.errors import GatewayError, GatewayTimeout, GatewayUnavailable, UpstreamFailed
from api.gateway.error_table import ErrorObject, error_of_answer
from api.gateway.peer import gateway_errors
from chassis.http.client_body import until

CONNECT_TIMEOUTS = {"httpx.ConnectTimeout", "aiohttp.ConnectionTimeoutError"}
TIMEOUTS = {"APITimeoutError", "TimeoutException", "TimeoutError"}
CONNECTION_FAILURES = {"openai.APIConnectionError", "httpx.TransportError", "ConnectionError"}


def error_of_exception(error: Exception) -> GatewayError:
    """The one error of ours that this exception of litellm stands for."""
    links = list(chain(error))
    for link in links:
        if isinstance(link, GatewayError):
            return link
    headers = next(filter(None, map(headers_of, links)), {})
    for link in links:
        body, status = getattr(link, "body", None), getattr(link, "status_code", None)
        if isinstance(body, dict) and isinstance(status, int):
            return error_of_answer(status, problem_of(body), headers)
    kinds = {name for link in links for name in names(type(link))}
    reason = f"{type(error).__name__}: {error}"[:500]
    if kinds & CONNECT_TIMEOUTS:
        return GatewayUnavailable(reason)
    if kinds & TIMEOUTS:
        return GatewayTimeout(reason)
    if kinds & CONNECTION_FAILURES:
        return GatewayUnavailable(reason)
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        answered = None if headers else ErrorObject(message=str(error))
        return error_of_answer(status, answered, headers)
    return UpstreamFailed(reason)


@asynccontextmanager
async def our_errors(deadline: float) -> AsyncGenerator[None]:
    """Bounds the block by the deadline; whatever litellm raises becomes one of our errors."""
    try:
        with gateway_errors():
            async with until(deadline):
                yield
    except Exception as error:  # noqa: BLE001 -- litellm raises a bare Exception too
        raise error_of_exception(error) from None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from, newest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def headers_of(link: BaseException) -> dict[str, str]:
    headers = getattr(link, "litellm_response_headers", None) or getattr(link, "headers", None)
    return {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}


def problem_of(body: dict[str, Any]) -> ErrorObject:
    inner = body.get("error", body)
    fields = inner if isinstance(inner, dict) else {}
    message, kind, code = (fields.get(name) for name in ("message", "type", "code"))
    return ErrorObject(
        message=None if message is None else str(message),
        type=None if kind is None else str(kind),
        code=None if code is None else str(code),
    )


def names(kind: type) -> Iterator[str]:
    """A class and its bases by name, those of a package also with the package's."""
    for base in kind.__mro__:
        yield base.__name__
        yield f"{base.__module__.split('.')[0]}.{base.__name__}"
