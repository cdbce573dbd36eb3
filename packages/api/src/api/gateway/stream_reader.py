"""A stream's bytes to reads, the same in both lanes: when it is over, and when it was cut.

An answer is over when the gateway said how it finished. What follows is its usage; when that does
not come, or the connection breaks before it does, the answer is as complete as without.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from api.errors import GatewayTimeout, UpstreamFailed
from api.gateway.chat_client import ChatRead
from api.gateway.chat_format import StreamDecoder
from chassis.http.client_body import BodyError

USAGE_SECONDS = 2.0
"""How long a finished answer is held back for its usage."""


async def reads_of_bytes(
    next_read: Callable[[float], Awaitable[bytes]], headers: Mapping[str, str], deadline: float
) -> AsyncGenerator[ChatRead]:
    """The reads of a stream, the last one with its ending.

    Args:
        next_read: gives what comes until a time, nothing at the end; raises a GatewayError or a
            BodyError.
        headers: of the gateway's answer, names in lower case.
        deadline: in the running loop's time.

    Raises:
        GatewayError: the gateway reports one, or the stream was cut.
        BodyError: as `next_read` does.
    """
    decoder = StreamDecoder(headers)
    now = asyncio.get_running_loop().time
    while True:
        was_finished = decoder.is_finished
        # Where the reader is slower than the gateway, nobody waits for a read any more.
        if now() >= deadline and not was_finished:
            raise GatewayTimeout("the deadline is over")
        try:
            read = await next_read(deadline)
        except (BodyError, UpstreamFailed, GatewayTimeout):
            if not was_finished:
                raise
            read = b""
        brought = decoder.feed(read) if read else ChatRead([], decoder.ending())
        if brought is not None:
            yield brought
            if brought.ending is not None:
                return
        if decoder.is_finished and not was_finished:
            deadline = min(deadline, now() + USAGE_SECONDS)
