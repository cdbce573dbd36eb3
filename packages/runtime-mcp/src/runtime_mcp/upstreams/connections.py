"""The connections to one server, of which none leads to where a machine's credentials are.

The operator's addresses are taken as they are, private ones too. Link-local ones are not meant by
anybody, and a name may turn into one: that is looked at when it is resolved, and the address that
was looked at is the one that is connected to.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpcore2
import httpx2

from runtime_mcp.upstreams.errors import UpstreamRefused

METADATA = frozenset({IPv6Address("fd00:ec2::254")})
"""Amazon's, which is not link-local."""
NAT64 = IPv6Network("64:ff9b::/96")


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
