"""The minute slides, and what is kept of it is bounded."""

import pytest

from policy.refusal import Refusal
from policy.rules import rate_limits
from policy.rules.rate_limits import Limit, Limits, SlidingMinute


def wait(limits: Limits, limit: Limit, now: float) -> int | None:
    """None when the request is let through."""
    try:
        limits.admit([limit], now)
    except Refusal as refusal:
        return refusal.retry_after
    return None


def test_a_request_counts_for_a_minute_from_its_own_second() -> None:
    limits, limit = Limits(), Limit("project p", 2, None)
    assert [wait(limits, limit, now) for now in (50.0, 59.5)] == [None, None]
    assert [wait(limits, limit, now) for now in (59.9, 60.0, 109.0)] == [51, 50, 1]
    assert [wait(limits, limit, now) for now in (110.0, 110.1)] == [None, 9]


def test_what_is_refused_does_not_count() -> None:
    limits, limit = Limits(), Limit("project p", 1, None)
    assert [wait(limits, limit, float(now)) for now in range(0, 61, 20)] == [None, 40, 20, None]


def test_tokens_are_waited_for_until_enough_of_them_are_old() -> None:
    limits, limit = Limits(), Limit("project p", None, 100)
    for now, tokens in (0.0, 30), (10.0, 80), (20.0, 60):
        limits.spend([limit], tokens, now)
    assert wait(limits, limit, 20.0) == 50
    assert wait(limits, limit, 70.0) is None


def test_a_limit_of_nothing_lets_nothing_pass() -> None:
    assert wait(Limits(), Limit("project p", 0, None), 0.0) == 60


def test_a_call_that_one_limit_refuses_counts_for_no_other() -> None:
    limits, wide, none = Limits(), Limit("model m", 1, None), Limit("project p", 0, None)
    with pytest.raises(Refusal):
        limits.admit([wide, none], 0.0)
    assert wait(limits, wide, 0.0) is None


def test_without_a_limit_nothing_is_kept() -> None:
    limits = Limits()
    limits.admit([Limit("project p", None, None)], 0.0)
    limits.spend([Limit("project p", None, None)], 5, 0.0)
    assert limits.meters == {}


def test_a_minute_is_kept_by_the_second() -> None:
    minute = SlidingMinute()
    for n in range(100_000):
        minute.add(1, n / 1000)
        minute.forget(n / 1000)
    assert len(minute.seconds) <= 61
    assert minute.total == sum(amount for _, amount in minute.seconds)


def test_projects_that_find_no_room_share_one_limit_until_others_are_idle() -> None:
    limits = Limits()
    for n in range(rate_limits.MOST_METERS):
        limits.admit([Limit(f"project {n}", 1, None)], 0.0)
    late = [wait(limits, Limit(f"project late {n}", 2, None), 0.0) for n in range(4)]
    assert late == [None, None, 60, 60]
    assert len(limits.meters) == rate_limits.MOST_METERS + 1
    assert wait(limits, Limit("project later", 2, None), 61.0) is None
    assert len(limits.meters) == 1
