"""How many calls of this process may ask again at once: retries do not make an outage worse."""

from collections.abc import Generator
from contextlib import contextmanager

SHARE = 0.1
"""Of the calls under way. Google SRE's bound on extra load; Envoy's default is 0.2."""
ALWAYS = 3
"""Retries that are let through however few calls are under way, as in Envoy."""


class RetryBudget:
    """Counts calls and retries; a retry is one from the decision to make it until its end."""

    def __init__(self) -> None:
        self.calls = 0
        self.retries = 0

    @property
    def has_room(self) -> bool:
        """Whether one more retry may be made."""
        return self.retries < self.limit

    @property
    def limit(self) -> float:
        """How many retries may be under way at once."""
        return max(ALWAYS, SHARE * self.calls)

    @contextmanager
    def call(self) -> Generator[None]:
        """Counts a call for the block."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    @contextmanager
    def retry(self) -> Generator[None]:
        """Counts a retry for the block."""
        self.retries += 1
        try:
            yield
        finally:
            self.retries -= 1
