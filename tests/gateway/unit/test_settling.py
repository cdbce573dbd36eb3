"""A call ends for its caller when it is booked, and no later than half a second after."""

import asyncio
import time

from policy.ledgers.settling import LONGEST_SECONDS, MOST_CALLS, Settling


async def seconds(settling: Settling, call: str) -> float:
    began = time.monotonic()
    await settling.wait(call)
    return time.monotonic() - began


async def test_it_waits_until_the_call_is_booked() -> None:
    settling = Settling()
    settling.begin("a")
    asyncio.get_running_loop().call_later(0.05, settling.end, "a")
    assert 0.04 < await seconds(settling, "a") < 0.3


async def test_a_call_that_is_booked_or_has_no_budget_is_not_waited_for() -> None:
    settling = Settling()
    settling.begin("a")
    settling.end("a")
    assert await seconds(settling, "a") + await seconds(settling, "b") < 0.05


async def test_one_that_is_never_booked_is_forgotten() -> None:
    settling = Settling()
    settling.begin("a")
    assert await seconds(settling, "a") >= LONGEST_SECONDS
    assert settling.calls == {}
    for n in range(MOST_CALLS + 5):
        settling.begin(str(n))
    assert len(settling.calls) == MOST_CALLS
