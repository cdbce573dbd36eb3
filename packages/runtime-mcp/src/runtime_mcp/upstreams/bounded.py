"""One call's way out over the shared connections: so many bytes of an answer, and no more."""

from collections.abc import AsyncIterator

import httpx2


class Bounded(httpx2.AsyncBaseTransport):
    """
    Args:
        inner: the connections, which this one leaves open.
        most: bytes of the answers of this call.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, most: int) -> None:
        self._inner = inner
        self.left = most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        # Compressed, a small answer may become a large one after it was counted.
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.ReadError("the answer is compressed, which was not asked for")
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = Counted(stream, self)
        return response

    async def aclose(self) -> None:
        """The connections are not this call's to close."""


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
