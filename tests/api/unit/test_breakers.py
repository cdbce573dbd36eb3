"""A breaker fails fast while something is down, and probes its way back."""

import pytest

from api.errors import (
    BudgetExhausted,
    GatewayError,
    GatewayKeyRejected,
    GatewayTimeout,
    GatewayUnavailable,
    ModelNotAllowed,
    PromptRejected,
    RateLimited,
    UpstreamFailed,
)
from api.llm.overload import (
    ALWAYS,
    FAILURES_IN_A_ROW,
    GATEWAY_OPEN_SECONDS,
    MAX_MODELS,
    MODEL_OPEN_SECONDS,
    Breakers,
    RetryBudget,
)

OF_THE_MODEL = pytest.mark.parametrize("kind", [UpstreamFailed, GatewayTimeout])


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(clock)


def fail(breakers: Breakers, kind: type[GatewayError], times: int, model: str = "m") -> None:
    for _ in range(times):
        breakers.failed(model, kind())


@OF_THE_MODEL
def test_a_model_is_refused_after_so_many_failures_in_a_row_and_no_other_one(
    breakers: Breakers, kind: type[GatewayError]
) -> None:
    fail(breakers, kind, FAILURES_IN_A_ROW - 1)
    assert breakers.refusal("m") is None
    fail(breakers, kind, 1)
    refusal = breakers.refusal("m")
    assert type(refusal) is kind
    assert refusal.retry_after == MODEL_OPEN_SECONDS
    assert breakers.refusal("other") is None


def test_an_answer_in_between_begins_the_row_anew(breakers: Breakers) -> None:
    fail(breakers, UpstreamFailed, FAILURES_IN_A_ROW - 1)
    breakers.answered("m")
    fail(breakers, UpstreamFailed, FAILURES_IN_A_ROW - 1)
    assert breakers.refusal("m") is None


def test_an_unreachable_gateway_is_refused_for_every_model(breakers: Breakers) -> None:
    fail(breakers, GatewayUnavailable, FAILURES_IN_A_ROW)
    for model in ("m", "other"):
        refusal = breakers.refusal(model)
        assert isinstance(refusal, GatewayUnavailable)
        assert refusal.retry_after == GATEWAY_OPEN_SECONDS


@pytest.mark.parametrize(
    "kind", [RateLimited, BudgetExhausted, PromptRejected, ModelNotAllowed, GatewayKeyRejected]
)
def test_what_says_nothing_of_the_models_health_opens_nothing(
    breakers: Breakers, kind: type[GatewayError]
) -> None:
    fail(breakers, kind, 10 * FAILURES_IN_A_ROW)
    assert breakers.refusal("m") is None


@pytest.mark.parametrize(
    ("kind", "interval"),
    [(GatewayUnavailable, GATEWAY_OPEN_SECONDS), (UpstreamFailed, MODEL_OPEN_SECONDS)],
)
def test_an_open_breaker_lets_one_probe_through_each_interval(
    breakers: Breakers, clock: Clock, kind: type[GatewayError], interval: float
) -> None:
    fail(breakers, kind, FAILURES_IN_A_ROW)
    for _ in range(3):
        clock.now += interval
        assert breakers.refusal("m") is None
        assert breakers.refusal("m") is not None, "one, even while nothing is known of it"
        fail(breakers, kind, 1)
        assert breakers.refusal("m") is not None
    clock.now += interval
    assert breakers.refusal("m") is None
    breakers.answered("m")
    assert [breakers.refusal("m") for _ in range(9)] == [None] * 9


def test_calls_from_before_it_opened_that_still_fail_put_off_no_probe(
    breakers: Breakers, clock: Clock
) -> None:
    fail(breakers, GatewayTimeout, FAILURES_IN_A_ROW)
    for _ in range(int(MODEL_OPEN_SECONDS)):
        clock.now += 1
        fail(breakers, GatewayTimeout, 1)
    assert breakers.refusal("m") is None


def test_any_word_of_the_gateway_itself_closes_its_breaker(
    breakers: Breakers, clock: Clock
) -> None:
    fail(breakers, GatewayUnavailable, FAILURES_IN_A_ROW)
    clock.now += GATEWAY_OPEN_SECONDS
    limited = RateLimited()
    limited.is_gateways_word = True
    breakers.failed("m", limited)
    assert breakers.refusal("other") is None


def test_a_refusal_of_one_breaker_uses_up_no_probe_of_the_other(
    breakers: Breakers, clock: Clock
) -> None:
    fail(breakers, UpstreamFailed, FAILURES_IN_A_ROW)
    clock.now += MODEL_OPEN_SECONDS
    fail(breakers, GatewayUnavailable, FAILURES_IN_A_ROW)
    assert isinstance(breakers.refusal("m"), GatewayUnavailable)
    clock.now += GATEWAY_OPEN_SECONDS
    assert breakers.refusal("m") is None


def test_callers_who_invent_models_cannot_grow_the_memory(breakers: Breakers) -> None:
    for number in range(2 * MAX_MODELS):
        fail(breakers, UpstreamFailed, 1, model=f"m{number}")
    assert len(breakers._models) == MAX_MODELS


@pytest.mark.parametrize(("calls", "room"), [(0, ALWAYS), (29, ALWAYS), (100, 10), (1000, 100)])
def test_a_tenth_of_the_calls_may_be_retrying_and_three_always(calls: int, room: int) -> None:
    budget = RetryBudget()
    budget.calls = calls
    while budget.has_room:
        budget.retries += 1
    assert budget.retries == room


def test_calls_and_retries_are_counted_for_as_long_as_they_last() -> None:
    budget = RetryBudget()
    with budget.call(), budget.call(), budget.retry():
        assert (budget.calls, budget.retries) == (2, 1)
    assert (budget.calls, budget.retries) == (0, 0)
