"""litellm's HTTP client: no redirects, bodies of a sane size, and each answer kept as it came.

litellm's own objects are not believed: of an answer that says nothing it makes one that finished.
"""

from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from math import inf

import httpx

from api.errors import UpstreamFailed
from api.gateway.chat_client import ChatAnswer
from api.gateway.chat_format import decode_reply
from api.gateway.error_table import counted
from chassis.http.client_body import MAX_BYTES

EVENT_STREAM = "text/event-stream"


@dataclass
class Kept:
    """Where the client leaves the answer of the call that is under way."""

    response: httpx.Response | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the answer, names in lower case; none when there was none."""
        return {} if self.response is None else self.response.headers

    def reply(self) -> ChatAnswer | None:
        """What the gateway answered; None when it did not, or not with a 200.

        Raises:
            GatewayError: see `decode_reply`.
        """
        if self.response is None or self.response.status_code != HTTPStatus.OK:
            return None
        with suppress(httpx.ResponseNotRead), counted(self.headers):
            return decode_reply(self.response.content, self.headers)
        return None


KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def keeping() -> Generator[Kept]:
    """Keeps the answer of the call that is made in the block."""
    kept = Kept()
    token = KEPT.set(kept)
    try:
        yield kept
    finally:
        KEPT.reset(token)


def tame(client: httpx.AsyncClient) -> None:
    """Makes litellm's client ours, for the whole process."""
    client.follow_redirects = False  # a redirect would take the prompt, and the key, elsewhere
    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks = {"response": [keep]}


async def keep(response: httpx.Response) -> None:
    """Called by httpx with the headers of each answer, before its body."""
    if (kept := KEPT.get()) is not None:
        kept.response = response
    kind = response.headers.get("Content-Type", "")
    limit = inf if kind.startswith(EVENT_STREAM) else MAX_BYTES
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = GuardedBody(response.stream, limit)


class GuardedBody(httpx.AsyncByteStream):
    """A body that is refused when it grows too large, and whose cut is not a dead gateway's.

    Args:
        limit: in bytes; the events of a stream have a bound of their own.
    """

    def __init__(self, stream: httpx.AsyncByteStream, limit: float) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for read in self._stream:
                size += len(read)
                if size > self._limit:
                    raise UpstreamFailed("the answer is too large")
                yield read
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as error:
            raise UpstreamFailed(f"the answer was cut: {error}"[:300]) from None

    async def aclose(self) -> None:
        await self._stream.aclose()
