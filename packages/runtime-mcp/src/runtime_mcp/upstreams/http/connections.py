"""The connections to one server, and a bound on what each call reads from them.

None leads to where a machine's credentials are. The operator's addresses are taken as they are,
private ones too. Link-local ones are not meant by anybody, and a name may turn into one: that is
checked when it is resolved, and the address that was checked is the one that is connected to.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from runtime_mcp.upstreams.errors import (
    UpstreamDown,
    UpstreamError,
    UpstreamForbidden,
    UpstreamRedirected,
    UpstreamRefused,
)

METADATA = frozenset({IPv6Address("fd00:ec2::254")})
"""Amazon's, which is not link-local."""
NAT64 = IPv6Network("64:ff9b::/96")
FORBIDDEN = (401, 403)
GATEWAYS = (502, 503, 504)


class Connections(httpx2.AsyncHTTPTransport):
    """
    Args:
        most: connections at a time.
        allow_link_local: whether they may lead to such an address after all.
    """

    def __init__(self, most: int, *, allow_link_local: bool) -> None:
        context = httpx2.create_ssl_context()
        super().__init__(verify=context)
        # httpx2 has no argument for it; the pool is made as it makes its own.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=most,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=None if allow_link_local else Guarded(),
        )


class Guarded(httpcore2.AnyIOBackend):
    """Connects to an address when it has looked at it."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """See `httpcore2.AsyncNetworkBackend`.

        Raises:
            UpstreamRefused: the name leads to a link-local address, be it among others.
        """
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} is not resolved in time") from None
        except OSError as error:
            raise httpcore2.ConnectError(f"{host}: {error.strerror}") from None
        addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
        for address in addresses:
            if is_refused(address):
                raise UpstreamRefused(f"{host} is {address}, which is link-local")
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await super().connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


def is_refused(address: str) -> bool:
    """Whether it is link-local, or where a cloud's credentials are, in whatever notation."""
    parsed: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed in NAT64:
            parsed = IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed.is_link_local or parsed in METADATA


class Bounded(httpx2.AsyncBaseTransport):
    """One call over the shared connections: so many bytes, and from nowhere else than asked.

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
