"""Requests and tokens per minute, of an alias and of a project.

The minute slides: what counts is the last sixty seconds, whenever they began, so that the turn of
a minute does not let twice the limit through. What is kept of each is at most a number per second.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from policy.refusal import Refusal

MINUTE = 60
MOST_METERS = 10_000
OTHERS = "others"


@dataclass(slots=True)
class SlidingMinute:
    """How much there was within the last minute, by the second."""

    seconds: deque[tuple[int, int]] = field(default_factory=deque)
    total: int = 0

    def add(self, amount: int, now: float) -> None:
        second, before = math.floor(now), 0
        if self.seconds and self.seconds[-1][0] >= second:
            second, before = self.seconds.pop()
        self.seconds.append((second, before + amount))
        self.total += amount

    def forget(self, now: float) -> None:
        while self.seconds and self.seconds[0][0] + MINUTE <= now:
            self.total -= self.seconds.popleft()[1]

    def wait(self, limit: int, now: float) -> int:
        """Whole seconds until there is room below the limit; 0 when there is."""
        self.forget(now)
        left = self.total
        if left < limit:
            return 0
        for second, amount in self.seconds:
            left -= amount
            if left < limit:
                return max(1, math.ceil(second + MINUTE - now))
        return MINUTE


@dataclass(frozen=True, slots=True)
class Limit:
    """
    Attributes:
        name: whose it is, for the message too.
        rpm, tpm: None is no limit.
    """

    name: str
    rpm: int | None
    tpm: int | None


@dataclass(slots=True)
class Meter:
    requests: SlidingMinute = field(default_factory=SlidingMinute)
    tokens: SlidingMinute = field(default_factory=SlidingMinute)

    def is_idle(self, now: float) -> bool:
        self.requests.forget(now)
        self.tokens.forget(now)
        return not self.requests.seconds and not self.tokens.seconds


@dataclass(slots=True)
class Limits:
    """The meters of this process. Those that find no room share one, and so its limit."""

    meters: dict[str, Meter] = field(default_factory=dict)
    swept: float = float("-inf")

    def admit(self, limits: Sequence[Limit], now: float) -> None:
        """Counts a request on all of them, or on none.

        Args:
            now: seconds that only go forward.

        Raises:
            Refusal: 429.
        """
        for limit in limits:
            meter = self.meters.get(limit.name) or self.meters.get(OTHERS) or Meter()
            for kind, minute, most in (
                ("requests", meter.requests, limit.rpm),
                ("tokens", meter.tokens, limit.tpm),
            ):
                if most is not None and (wait := minute.wait(most, now)):
                    message = f"Rate limit exceeded: {most} {kind} per minute for {limit.name}."
                    raise Refusal(429, "rate_limit_exceeded", message, wait)
        for limit in limits:
            if limit.rpm is not None:
                self.meter(limit.name, now).requests.add(1, now)

    def spend(self, limits: Sequence[Limit], tokens: int, now: float) -> None:
        """Counts the tokens of a call once they are known."""
        for limit in limits:
            if limit.tpm is not None and tokens:
                self.meter(limit.name, now).tokens.add(tokens, now)

    def meter(self, name: str, now: float) -> Meter:
        if name not in self.meters and len(self.meters) >= MOST_METERS:
            if now - self.swept >= 1:
                self.swept = now
                self.meters = {n: m for n, m in self.meters.items() if not m.is_idle(now)}
            if len(self.meters) >= MOST_METERS:
                name = OTHERS
        return self.meters.setdefault(name, Meter())
