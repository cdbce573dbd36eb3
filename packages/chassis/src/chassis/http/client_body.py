"""The body of a peer's answer: read within a deadline, of a sane size, and cut when it is cut.

1. aiohttp 3.14 never tells the reader of a body that its chunked encoding broke: it only closes the
   connection. So a long wait is interrupted now and then by a look at the connection.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

MAX_BYTES = 16 * 1024 * 1024
LOOK_SECONDS = 1.0


class BodyError(Exception):
    """A body could not be read; the message says why."""


class BodyCut(BodyError):
    """The connection broke before the end of the body."""


class BodyTooLarge(BodyError):
    """The body is larger than any sane answer."""


class DeadlineOver(BodyError):
    """The deadline is over."""

    def __init__(self) -> None:
        super().__init__("the deadline is over")


def loop_time() -> float:
    """The running loop's clock, in seconds; deadlines are in it."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def until(deadline: float) -> AsyncGenerator[None]:
    """Bounds what is done in the block by a deadline in the loop's time.

    Raises:
        DeadlineOver: the deadline is over.
    """
    try:
        async with asyncio.timeout_at(deadline) as timeout:
            yield
    except TimeoutError:
        if timeout.expired():
            raise DeadlineOver from None
        raise


async def next_read(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """What comes next, as the network brings it; nothing at the end.

    Args:
        deadline: in the running loop's time.

    Raises:
        BodyCut: the body was cut.
        DeadlineOver: the deadline is over.
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
                raise DeadlineOver from None
            if is_lost(response):
                raise BodyCut("the answer was cut: its encoding broke") from None
        except (aiohttp.ClientError, OSError) as error:
            raise BodyCut(f"the answer was cut: {error}"[:300]) from None


def is_lost(response: aiohttp.ClientResponse) -> bool:
    transport = response.connection and response.connection.transport
    return transport is None or transport.is_closing()


async def read_whole(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The whole body.

    Args:
        deadline: in the running loop's time.

    Raises:
        BodyCut, DeadlineOver: see `next_read`.
        BodyTooLarge: it has more than `MAX_BYTES`.
    """
    body = bytearray()
    announced = response.content_length or 0
    while announced <= MAX_BYTES:
        if not (read := await next_read(response, deadline)):
            return bytes(body)
        body += read
        announced = max(announced, len(body))
    raise BodyTooLarge("the answer is too large")
