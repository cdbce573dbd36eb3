"""The body of an answer on its way in: within the deadline, of a sane size, and cut when it is cut.

1. aiohttp 3.14 never tells the reader of a body that its chunked encoding broke: it only closes the
   connection. So a long wait is interrupted now and then by a look at the connection.
"""

import asyncio

import aiohttp

from api.errors import GatewayTimeout, UpstreamFailed

MAX_ANSWER_BYTES = 16 * 1024 * 1024
LOOK_SECONDS = 1.0


async def next_read(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """What comes next, as the network brings it; nothing at the end.

    Args:
        deadline: in the running loop's time.

    Raises:
        UpstreamFailed: the answer was cut.
        GatewayTimeout: the deadline is over.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            # What is there already needs no timer, which costs more than the reading.
            if (read := response.content.read_nowait()) or response.content.at_eof():
                return read
            async with asyncio.timeout_at(min(deadline, loop.time() + LOOK_SECONDS)):
                return await response.content.readany()
        except TimeoutError:
            if loop.time() >= deadline:
                raise GatewayTimeout("the deadline is over") from None
            if is_lost(response):
                raise UpstreamFailed("the answer was cut: its encoding broke") from None
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFailed(f"the answer was cut: {error}"[:300]) from None


def is_lost(response: aiohttp.ClientResponse) -> bool:
    transport = response.connection and response.connection.transport
    return transport is None or transport.is_closing()


async def read_whole(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The whole body. Errors as above, and for one that is larger than any sane answer."""
    body = bytearray()
    announced = response.content_length or 0
    while announced <= MAX_ANSWER_BYTES:
        if not (read := await next_read(response, deadline)):
            return bytes(body)
        body += read
        announced = max(announced, len(body))
    raise UpstreamFailed("the answer is too large")
