"""A budget is one of a month of UTC; what is kept of a month is bounded."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from policy.ledgers.spend import MOST_NAMES, Spend
from policy.refusal import Refusal
from policy.rules.budgets import Budget, check, month_of, seconds_to_reset

NOW = datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "month", "seconds"),
    [
        (NOW, "2026-11", 30),
        (NOW + timedelta(seconds=30), "2026-12", 31 * 86400),
        (datetime(2026, 12, 31, 23, 59, 59, 600000, tzinfo=UTC), "2026-12", 1),
        (datetime(2028, 2, 29, tzinfo=UTC), "2028-02", 86400),
        (datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-11", 1800),
    ],
)
def test_the_month_is_that_of_utc(now: datetime, month: str, seconds: int) -> None:
    assert (month_of(now), seconds_to_reset(now)) == (month, seconds)


def book(spend: Spend, name: str, usd: float, now: datetime = NOW) -> None:
    asyncio.run(spend.add([name], usd, month_of(now)))


def wait(spend: Spend, budget: Budget, now: datetime = NOW) -> int | None:
    """None when the call passes."""
    try:
        asyncio.run(check(spend, [budget], now, lambda *_: None))
    except Refusal as refusal:
        return refusal.retry_after
    return None


def test_a_budget_that_is_used_up_refuses_until_the_month_turns() -> None:
    spend, budget = Spend(), Budget("model m", 1.0)
    book(spend, "model m", 0.99)
    assert wait(spend, budget) is None
    book(spend, "model m", 0.01)
    assert wait(spend, budget) == 30
    assert wait(spend, budget, NOW + timedelta(seconds=30)) is None


def test_a_clock_that_goes_back_begins_no_month() -> None:
    spend, budget = Spend(), Budget("model m", 1.0)
    book(spend, "model m", 1.0)
    assert wait(spend, budget, NOW - timedelta(days=40)) is not None
    assert wait(spend, budget) == 30


def test_a_budget_of_nothing_lets_nothing_pass() -> None:
    assert wait(Spend(), Budget("model m", 0.0)) == 30
    assert wait(Spend(), Budget("model m", None)) is None


def test_names_that_find_no_room_share_one_amount() -> None:
    spend = Spend()
    for n in range(MOST_NAMES):
        book(spend, f"project {n}", 0.1) if n < 3 else spend.usd.update({f"project {n}": 0.1})
    book(spend, "project late", 1.0)
    assert wait(spend, Budget("project later", 1.0)) == 30
    assert wait(spend, Budget("project 5", 1.0)) is None
    assert len(spend.usd) == MOST_NAMES + 1
