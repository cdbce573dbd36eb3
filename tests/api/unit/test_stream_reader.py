"""When a stream is over: at its deadline, and, once it said how it finished, a little later."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from api.errors import GatewayTimeout, UpstreamFailed
from api.gateway.chat_client import ChatRead, Ending
from api.gateway.stream_reader import reads_of_bytes

TEXT = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
FINISH = b'data: {"choices": [{"finish_reason": "stop"}]}\n\n'
ERROR = b'data: {"error": {"message": "no", "code": 500}}\n\n'


def reads_of(*reads: bytes | Exception, seconds: float = 60) -> AsyncGenerator[ChatRead]:
    """The reads of a gateway that sends these at once, the last one again and again."""
    left = list(reads)

    async def next_read(_: float) -> bytes:
        read = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(read, Exception):
            raise read
        return read

    return reads_of_bytes(next_read, {}, asyncio.get_running_loop().time() + seconds)


async def test_a_gateway_that_always_has_something_to_say_ends_at_the_deadline() -> None:
    with pytest.raises(GatewayTimeout):
        async for read in reads_of(TEXT, seconds=0.05):
            assert read.texts == ["a"]


@pytest.mark.parametrize("cut", [UpstreamFailed("cut"), GatewayTimeout("late"), b""])
async def test_what_happens_after_the_finish_takes_nothing_from_the_answer(
    cut: bytes | Exception,
) -> None:
    reads = [read async for read in reads_of(TEXT, FINISH, cut)]
    assert reads == [ChatRead(["a"]), ChatRead([]), ChatRead([], Ending("stop", None, None))]


@pytest.mark.parametrize("cut", [UpstreamFailed("cut"), GatewayTimeout("late"), b""])
async def test_what_happens_before_the_finish_is_no_end(cut: bytes | Exception) -> None:
    with pytest.raises((UpstreamFailed, GatewayTimeout)):
        _ = [read async for read in reads_of(TEXT, cut)]


async def test_what_the_gateway_says_after_the_finish_is_heard() -> None:
    with pytest.raises(UpstreamFailed):
        _ = [read async for read in reads_of(TEXT, FINISH, ERROR)]
