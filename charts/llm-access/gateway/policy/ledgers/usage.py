"""What each project used, by day of UTC, solution and alias.

All of it is whole numbers: the cost of an attempt is rounded once, to a millionth of a millionth of
a dollar, and so a sum is the same in whatever order it is made, and by however many replicas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

from policy.outcomes import Outcome

KEPT_DAYS = 62
"""The present month and the one before it, to their last day."""
MOST_ACCOUNTS = 10_000
OTHER = "(other)"
PICO = 12
ANSWERED, LEFT = "200", "499"
MEASURES = (
    *("calls", "answered", "failed", "aborted", "unpriced", "estimated"),
    *("input_tokens", "output_tokens", "picousd", "estimated_picousd"),
)


class Account(NamedTuple):
    """On whom an attempt is booked; empty where nobody is known."""

    project: str
    solution: str
    model: str

    def overflow(self) -> "Account":
        """Shared by those that find no room in their day."""
        return Account(OTHER, OTHER, self.model)


Used = dict[str, int]
"""Amounts by measure; what is not there is 0."""


class Row(NamedTuple):
    day: str
    account: Account
    used: Used


@dataclass(frozen=True, slots=True)
class Batch:
    """What is booked at once, and once however often it is sent.

    Attributes:
        day: of UTC, as 2026-11-25.
    """

    id: str
    day: str
    used: Mapping[Account, Used]


class UsageStore(Protocol):
    """
    Attributes:
        scope: whose attempts are in it: `replica`, or `replicas` for all that share it.
        failures: what it raises while it is away.
    """

    scope: str
    failures: tuple[type[Exception], ...]

    async def book(self, batch: Batch, now: datetime) -> None: ...

    async def read(self, days: tuple[str, str], now: datetime) -> tuple[datetime, list[Row]]:
        """Since when it books, and what it has of these days, both included."""


def used(said: Outcome) -> Used:
    """What an attempt adds.

    The tokens of one that did not come to its end are LiteLLM's own count: its provider never
    said how many there were. One that has tokens and no cost has no price: LiteLLM's 0 means that
    it knows none.
    """
    tokens = said.input_tokens + said.output_tokens
    cost = picousd(said.usd)
    ending = {ANSWERED: "answered", LEFT: "aborted"}.get(said.status, "failed")
    is_estimated = ending != "answered" and tokens > 0
    found = {
        "calls": 1,
        ending: 1,
        "unpriced": int(tokens > 0 and cost == 0),
        "estimated": int(is_estimated),
        "input_tokens": said.input_tokens,
        "output_tokens": said.output_tokens,
        "picousd": cost,
        "estimated_picousd": cost if is_estimated else 0,
    }
    return {measure: amount for measure, amount in found.items() if amount}


def picousd(usd: float) -> int:
    """
    Args:
        usd: as LiteLLM says it, whose shortest decimal form is the one in its headers.
    """
    return round(Decimal(repr(float(usd))).scaleb(PICO))


def usd(pico: int) -> str:
    """The exact amount in dollars, as a decimal number."""
    return f"{Decimal(pico).scaleb(-PICO).normalize():f}"


def add(total: Used, more: Mapping[str, int]) -> None:
    for measure, amount in more.items():
        total[measure] = total.get(measure, 0) + amount


def day_of(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def first_kept(now: datetime) -> date:
    return now.astimezone(UTC).date() - timedelta(days=KEPT_DAYS - 1)
