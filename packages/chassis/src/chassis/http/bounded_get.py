"""A GET by httpx, off the way of a call: within a time, of a sane size, or why nothing came."""

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from chassis.http.client_body import MAX_BYTES


class NoAnswer(Exception):
    """A peer does not answer.

    Args:
        what: goes on after its name: `cannot be connected to at …`.
        reason: what the network said.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} ({reason})")
        self.what, self.reason = what, reason


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole of it, whatever its status."""

    status: int
    headers: httpx.Headers
    body: bytes


def http_client() -> httpx.AsyncClient:
    """One that trusts the system's certificates, and takes no proxy from the environment."""
    return httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False)


async def bounded_get(
    client: httpx.AsyncClient, url: str, seconds: float, **request: Any
) -> Answer:
    """The answer; a redirect is one, and is not followed.

    Args:
        seconds: until it is whole.
        request: more of what `httpx.AsyncClient.stream` takes.

    Raises:
        NoAnswer: nothing came, not in time, or more than `MAX_BYTES`.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(seconds), client.stream("GET", url, **request) as response:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise NoAnswer("says more than is sane", f"more than {MAX_BYTES} bytes")
    except (TimeoutError, httpx.TimeoutException):
        raise NoAnswer(f"does not answer within {seconds:g} s", "no answer in time") from None
    except httpx.ConnectError as error:
        where = urlsplit(url).netloc.rpartition("@")[2]
        raise NoAnswer(f"cannot be connected to at {where}", first_cause(error)) from None
    except httpx.HTTPError as error:
        what = "does not speak HTTP there, or breaks the connection off"
        raise NoAnswer(what, first_cause(error)) from None
    return Answer(response.status_code, response.headers, bytes(body))


def first_cause(error: BaseException) -> str:
    """What the network said, before a library wrapped it."""
    while below := error.__cause__ or error.__context__:
        error = below.exceptions[0] if isinstance(below, ExceptionGroup) else below
    if isinstance(error, ConnectionError):
        return os.strerror(error.errno or 0)
    return f"{type(error).__name__}: {error}"[:300]
