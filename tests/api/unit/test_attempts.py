"""The attempts of one call as they are made, and the receipt of what came of each."""

import asyncio
from collections.abc import Sequence

import pytest

from api.errors import (
    BudgetExhausted,
    GatewayError,
    GatewayKeyRejected,
    GatewayTimeout,
    GatewayUnavailable,
    ModelNotAllowed,
    RateLimited,
    StreamInterrupted,
    UpstreamFailed,
)
from api.llm.attempt import Attempt
from api.llm.attempts import Attempts
from api.llm.overload import FAILURES_IN_A_ROW, MODEL_OPEN_SECONDS, Breakers, Overload
from api.llm.retry_policy import MAX_CALLS

ASKED, FIRST, SECOND = MODELS = ("asked", "first", "second")


class Clock:
    """Time that passes only when a test or a wait says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


async def never() -> bool:
    return False


class ScriptedCall:
    """A call whose attempts take a second each and turn out as the script says."""

    def __init__(
        self,
        *script: BaseException | str,
        models: Sequence[str] = MODELS,
        overload: Overload | None = None,
    ) -> None:
        self.clock = Clock()
        self.overload = overload or Overload(
            self.clock, Breakers(self.clock), never, sleep=self.clock.sleep
        )
        self.made: list[Attempt] = []
        self.attempts = Attempts(models, self.overload.clock() + 60, self.overload, self.made)
        self.asked: list[str] = []
        self._script = iter(script)

    async def run(self, *, answered: bool = False) -> str:
        with self.attempts as attempts:
            async for attempt in attempts:
                with attempts.making(attempt):
                    self.asked.append(attempt.model)
                    self.clock.now += 1
                    if answered:
                        attempts.answer_begins(attempt)
                    outcome = next(self._script)
                    if isinstance(outcome, BaseException):
                        raise outcome
                    if not outcome and attempts.can_repair:
                        attempts.repair(attempt)
                        continue
                    attempts.answered(attempt, "ok" if outcome else "empty")
                    return outcome
        return ""

    def outcomes(self) -> list[tuple[str, str, int]]:
        return [(a.model, a.outcome, a.status) for a in self.made]


async def test_an_answer_at_once_has_a_receipt_of_one_line_and_no_wait() -> None:
    call = ScriptedCall("Paris")
    assert await call.run() == "Paris"
    assert call.clock.waits == []
    (attempt,) = call.made
    assert attempt.report().model_dump() == {
        "model": ASKED,
        "outcome": "ok",
        "status": 200,
        "wait_ms": 0,
        "duration_ms": 1000,
    }


async def test_the_receipt_tells_of_every_attempt_and_of_its_wait() -> None:
    call = ScriptedCall(RateLimited(retry_after=2), RateLimited(retry_after=3.5), "Paris")
    assert await call.run() == "Paris"
    assert call.clock.waits == [2, 3.5]
    assert call.outcomes() == [
        (ASKED, "rate_limited", 429),
        (ASKED, "rate_limited", 429),
        (ASKED, "ok", 200),
    ]
    assert [attempt.report().wait_ms for attempt in call.made] == [0, 2000, 3500]
    assert [attempt.report().duration_ms for attempt in call.made] == [1000, 1000, 1000]


async def test_a_backoff_without_retry_after_is_short_and_grows_within_its_bound() -> None:
    call = ScriptedCall(RateLimited(), RateLimited(), RateLimited(), models=[ASKED])
    with pytest.raises(RateLimited):
        await call.run()
    first, second = call.clock.waits
    assert 0 <= first <= 0.5
    assert 0 <= second <= 1


async def test_a_fallback_is_asked_without_a_wait() -> None:
    call = ScriptedCall(BudgetExhausted(), "Paris")
    assert await call.run() == "Paris"
    assert call.asked == [ASKED, FIRST]
    assert sum(call.clock.waits) == 0


async def test_what_surfaces_is_the_requested_models_last_error_with_the_receipt() -> None:
    last = RateLimited("the second", retry_after=30)
    call = ScriptedCall(UpstreamFailed("the first"), last, ModelNotAllowed(), GatewayTimeout())
    with pytest.raises(RateLimited) as raised:
        await call.run()
    assert raised.value is last
    assert call.asked == [ASKED, ASKED, FIRST, SECOND]
    assert raised.value.extra["attempts"] == [a.report().model_dump() for a in call.made]
    assert [a["outcome"] for a in raised.value.extra["attempts"]] == [
        "upstream_failed",
        "rate_limited",
        "model_not_allowed",
        "gateway_timeout",
    ]


@pytest.mark.parametrize("error", [GatewayUnavailable(), GatewayKeyRejected()])
async def test_what_a_fallback_finds_wrong_with_the_gateway_itself_surfaces(
    error: GatewayError,
) -> None:
    call = ScriptedCall(BudgetExhausted(), error)
    with pytest.raises(type(error)) as raised:
        await call.run()
    assert raised.value is error
    assert call.asked == [ASKED, FIRST]
    assert len(error.extra["attempts"]) == 2


async def test_a_deadline_that_passes_on_the_way_ends_the_call() -> None:
    call = ScriptedCall(GatewayTimeout(), GatewayTimeout(), GatewayTimeout())
    call.clock.now += 58.5
    with pytest.raises(GatewayTimeout):
        await call.run()
    assert len(call.asked) == 2, "the second attempt begins in time, a third would not"


async def test_once_answered_nothing_is_tried_again_and_the_answer_was_interrupted() -> None:
    call = ScriptedCall(UpstreamFailed("cut"))
    with pytest.raises(StreamInterrupted) as raised:
        await call.run(answered=True)
    assert raised.value.reason == "cut"
    assert call.asked == [ASKED]
    assert call.outcomes() == [(ASKED, "stream_interrupted", 502)]
    assert raised.value.extra["attempts"][0]["outcome"] == "stream_interrupted"


async def test_once_answered_a_timeout_stays_a_timeout_and_is_not_tried_again() -> None:
    late = GatewayTimeout()
    call = ScriptedCall(late)
    with pytest.raises(GatewayTimeout) as raised:
        await call.run(answered=True)
    assert raised.value is late
    assert call.asked == [ASKED]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), TimeoutError()])
@pytest.mark.parametrize("answered", [False, True])
async def test_what_is_not_the_gateways_failure_passes_through_untouched(
    error: BaseException, answered: bool
) -> None:
    call = ScriptedCall(error)
    with pytest.raises(type(error)) as raised:
        await call.run(answered=answered)
    assert raised.value is error
    assert call.asked == [ASKED]
    assert call.outcomes() == [(ASKED, "cancelled", 499)]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
async def test_an_attempt_that_nobody_waits_for_any_more_is_in_the_receipt(
    error: BaseException,
) -> None:
    call = ScriptedCall(BudgetExhausted(), error)
    with pytest.raises(type(error)):
        await call.run()
    assert call.outcomes() == [(ASKED, "budget_exhausted", 429), (FIRST, "cancelled", 499)]


async def test_an_answered_attempt_is_not_cancelled_by_what_comes_after_it() -> None:
    call = ScriptedCall("Paris")
    with pytest.raises(GeneratorExit):
        async for attempt in call.attempts:
            with call.attempts.making(attempt):
                call.attempts.answered(attempt, "ok")
                raise GeneratorExit
    assert call.outcomes() == [(ASKED, "ok", 200)]


async def test_a_retry_holds_a_place_in_the_budget_until_it_ends() -> None:
    call = ScriptedCall(UpstreamFailed(), "Paris")
    budget = call.overload.budget
    async for attempt in call.attempts:
        with call.attempts.making(attempt):
            assert budget.retries == len(call.made) - 1
            outcome = next(call._script)
            if isinstance(outcome, BaseException):
                raise outcome
            call.attempts.answered(attempt, "ok")
            break
    assert budget.retries == 0


async def test_a_retry_that_is_cancelled_while_it_waits_gives_its_place_back() -> None:
    clock = Clock()
    overload = Overload(clock, Breakers(clock), never)
    call = ScriptedCall(RateLimited(retry_after=15), models=[ASKED], overload=overload)
    task = asyncio.create_task(call.run())
    while not overload.budget.retries:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert overload.budget.retries == 0


async def test_without_room_in_the_budget_a_call_fails_at_its_first_attempt() -> None:
    call = ScriptedCall(UpstreamFailed(), models=[ASKED])
    call.overload.budget.retries = 3
    with pytest.raises(UpstreamFailed):
        await call.run()
    assert call.outcomes() == [(ASKED, "upstream_failed", 502)]


async def open_breaker(error: type[GatewayError], models: Sequence[str] = (ASKED,)) -> ScriptedCall:
    """The last of as many calls as it takes; each attempt of theirs fails."""
    call = ScriptedCall(models=models)
    for _ in range(FAILURES_IN_A_ROW):
        call = ScriptedCall(*[error()] * MAX_CALLS, models=models, overload=call.overload)
        with pytest.raises(error):
            await call.run()
    return call


async def test_a_model_that_failed_too_often_is_skipped_and_its_fallback_answers() -> None:
    broken = await open_breaker(UpstreamFailed)
    call = ScriptedCall("Paris", overload=broken.overload)
    assert await call.run() == "Paris"
    assert call.outcomes() == [(ASKED, "skipped", 502), (FIRST, "ok", 200)]
    assert call.made[0].report().duration_ms == 0


async def test_without_a_fallback_a_skipped_model_fails_with_its_last_name_and_says_when() -> None:
    broken = await open_breaker(GatewayTimeout)
    call = ScriptedCall(models=[ASKED], overload=broken.overload)
    with pytest.raises(GatewayTimeout) as raised:
        await call.run()
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= MODEL_OPEN_SECONDS
    assert call.outcomes() == [(ASKED, "skipped", 504)]
    assert raised.value.extra["attempts"][0]["outcome"] == "skipped"


async def test_while_the_gateway_is_down_no_model_is_asked() -> None:
    broken = await open_breaker(GatewayUnavailable)
    call = ScriptedCall(models=["another", FIRST], overload=broken.overload)
    with pytest.raises(GatewayUnavailable):
        await call.run()
    assert call.outcomes() == [("another", "skipped", 503)]


async def test_a_breaker_that_opens_during_a_wait_stops_the_retry() -> None:
    call = ScriptedCall(UpstreamFailed(), models=[ASKED])
    for _ in range(FAILURES_IN_A_ROW - 1):
        call.overload.breakers.failed(ASKED, UpstreamFailed())
    with pytest.raises(UpstreamFailed):
        await call.run()
    assert call.outcomes() == [(ASKED, "upstream_failed", 502), (ASKED, "skipped", 502)]


async def test_an_empty_answer_is_asked_for_once_more_without_a_wait() -> None:
    call = ScriptedCall("", "Paris")
    assert await call.run() == "Paris"
    assert call.outcomes() == [(ASKED, "empty", 200), (ASKED, "ok", 200)]
    assert call.clock.waits == []


async def test_a_repair_that_is_empty_too_is_given_as_it_is() -> None:
    call = ScriptedCall("", "")
    assert await call.run() == ""
    assert call.outcomes() == [(ASKED, "empty", 200), (ASKED, "empty", 200)]


@pytest.mark.parametrize("error", [RateLimited(), GatewayUnavailable(), BudgetExhausted()])
async def test_a_repair_that_fails_ends_the_attempts_without_an_error(error: GatewayError) -> None:
    call = ScriptedCall("", error)
    assert await call.run() == ""
    assert call.outcomes() == [(ASKED, "empty", 200), (ASKED, error.code, error.status)]


async def test_the_fifth_attempt_is_not_repaired() -> None:
    models = [ASKED, "a", "b", "c", "d"]
    call = ScriptedCall(*[BudgetExhausted()] * 4, "", models=models)
    assert await call.run() == ""
    assert len(call.made) == MAX_CALLS
    assert call.outcomes()[-1] == ("d", "empty", 200)


async def test_an_answer_that_took_the_last_of_five_calls_is_not_repaired() -> None:
    failed = BudgetExhausted()
    failed.upstream_calls = 4
    call = ScriptedCall(failed, "")
    assert await call.run() == ""
    assert call.outcomes()[1:] == [(FIRST, "empty", 200)]
