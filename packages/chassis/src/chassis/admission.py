"""How many calls are under way here, whether new ones are let in, and when open ones must end."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property

from chassis.errors import Draining, Overloaded


class Admission:
    """Lets calls in up to a bound, and none while the process is shutting down.

    Args:
        max_in_flight: calls under way at once, open streams included.
    """

    def __init__(self, max_in_flight: int) -> None:
        self.in_flight = 0
        self.draining = False
        self.max_in_flight = max_in_flight

    @cached_property
    def grace_is_over(self) -> "asyncio.Future[None]":
        """Done when the calls that are still under way have to end."""
        return asyncio.get_running_loop().create_future()

    def when_grace_is_over(self, call: Callable[[], object]) -> None:
        """Calls this when the calls that are still under way have to end."""
        self.grace_is_over.add_done_callback(lambda _: call())

    def end_the_grace(self) -> None:
        """Makes the calls that are still under way end, each with a `Draining`."""
        if not self.grace_is_over.done():
            self.grace_is_over.set_result(None)

    @contextmanager
    def admitted(self) -> Generator[None]:
        """Holds a place for the block.

        Raises:
            Draining: the process is shutting down.
            Overloaded: all places are taken.
        """
        if self.draining:
            raise Draining
        if self.in_flight >= self.max_in_flight:
            raise Overloaded
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
