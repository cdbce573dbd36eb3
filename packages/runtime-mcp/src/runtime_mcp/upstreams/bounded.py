"""One call's way out over the shared connections: so many bytes of an answer, and from nowhere else
than from where it was asked for."""

from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

import httpx2

from runtime_mcp.upstreams.errors import (
    UpstreamDown,
    UpstreamError,
    UpstreamForbidden,
    UpstreamRedirected,
)

FORBIDDEN = (401, 403)
GATEWAYS = (502, 503, 504)


class Bounded(httpx2.AsyncBaseTransport):
    """
    Args:
        inner: the connections, which this one leaves open.
        most: bytes of the answers of this call.

    Attributes:
        left: of these bytes; less than none after an answer that was larger.
        wrong: why an answer was not taken. The client may give it another name on its way.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, most: int) -> None:
        self._inner = inner
        self.left = most
        self.wrong: UpstreamError | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        # Compressed, a small answer may become a large one after it was counted.
        request.headers["Accept-Encoding"] = "identity"
        try:
            response = await self._inner.handle_async_request(request)
        except UpstreamError as error:
            self.wrong = error
            raise
        self.wrong = why_not(request, response)
        if self.wrong is not None:
            await response.aclose()
            raise self.wrong
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = Counted(stream, self)
        return response

    async def aclose(self) -> None:
        """The connections are not this call's to close."""


def why_not(request: httpx2.Request, response: httpx2.Response) -> UpstreamError | None:
    """What is wrong with an answer before it is read; None when nothing is."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return UpstreamDown("the answer is compressed, which was not asked for")
    if 300 <= response.status_code < 400:
        where = urlsplit(urljoin(str(request.url), response.headers.get("Location", "")))
        # The rest of it is where a secret would be.
        shown = f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path}"[:200]
        return UpstreamRedirected(f"{response.status_code} to {shown}, which is not followed")
    if response.status_code in FORBIDDEN:
        return UpstreamForbidden(f"answered {response.status_code}")
    if response.status_code in GATEWAYS:
        return UpstreamDown(f"answered {response.status_code}")
    return None


class Counted(httpx2.AsyncByteStream):
    """A body that ends with an error where it is larger than what is left."""

    def __init__(self, stream: httpx2.AsyncByteStream, of: Bounded) -> None:
        self._stream = stream
        self._of = of

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for read in self._stream:
            self._of.left -= len(read)
            if self._of.left < 0:
                raise httpx2.ReadError("the answer is larger than allowed")
            yield read

    async def aclose(self) -> None:
        """See `httpx2.AsyncByteStream`."""
        await self._stream.aclose()
