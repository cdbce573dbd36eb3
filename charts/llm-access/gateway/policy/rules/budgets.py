"""USD per month, of an alias and of a project; a month is one of UTC.

What was spent is known after the answer, so a budget lets through what was under way when it was
used up, and nothing after that.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from policy.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Budget:
    """
    Attributes:
        name: whose it is, for the message too.
        usd: per month; None is no limit, and is booked all the same.
    """

    name: str
    usd: float | None


class Ledger(Protocol):
    """What was spent in a month, by name."""

    async def spent(self, names: Sequence[str], month: str) -> list[float]:
        """
        Raises:
            Refusal: 503, it cannot be told.
        """

    async def add(self, names: Sequence[str], usd: float, month: str) -> None:
        """Never fails: what cannot be booked now is booked before the next call passes."""


def month_of(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m")


def seconds_to_reset(now: datetime) -> int:
    now = now.astimezone(UTC)
    turn = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    return max(1, math.ceil((turn - now).total_seconds()))


async def check(
    ledger: Ledger,
    budgets: Iterable[Budget],
    now: datetime,
    note: Callable[[str, float, float], None],
) -> None:
    """
    Args:
        note: is told of each limited budget: its name, its USD, and what was spent of them.

    Raises:
        Refusal: 429, one of them is used up; 503, it cannot be told.
    """
    limited = [(budget.name, budget.usd) for budget in budgets if budget.usd is not None]
    if not limited:
        return
    spent = await ledger.spent([name for name, _ in limited], month_of(now))
    for (name, most), usd in zip(limited, spent, strict=True):
        note(name, most, usd)
        if usd >= most:
            message = f"Budget exceeded: {most:g} USD per month for {name}."
            raise Refusal(429, "budget_exceeded", message, seconds_to_reset(now))
