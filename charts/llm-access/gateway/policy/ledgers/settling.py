"""A call that has a budget ends for its caller once it is booked.

LiteLLM books in the background. Without this a caller could ask again, or another replica, before
what it just spent is known, and a budget would let through more than what is under way.
"""

import asyncio
from dataclasses import dataclass, field

LONGEST_SECONDS = 0.5
MOST_CALLS = 10_000


@dataclass(slots=True)
class Settling:
    """The calls that pass and are not booked, by LiteLLM's id.

    Attributes:
        failed_at: when one could not be booked, in seconds that only go forward.
    """

    calls: dict[str, asyncio.Event] = field(default_factory=dict)
    failed_at: float = float("-inf")

    def begin(self, call: str) -> None:
        if len(self.calls) >= MOST_CALLS:
            self.calls.pop(next(iter(self.calls)))
        self.calls[call] = asyncio.Event()

    def end(self, call: str) -> None:
        if event := self.calls.pop(call, None):
            event.set()

    async def wait(self, call: str) -> None:
        """Until it is booked, or half a second is over."""
        if event := self.calls.get(call):
            try:
                await asyncio.wait_for(event.wait(), LONGEST_SECONDS)
            except TimeoutError:
                self.calls.pop(call, None)
