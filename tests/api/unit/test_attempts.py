"""When an attempt is made again, when another model is asked, when a call is given up."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from api.attempts import (
    MAX_ATTEMPTS,
    MAX_WAIT_SECONDS,
    Attempts,
    Failure,
    Step,
    in_order,
    next_step,
)
from api.errors import (
    BudgetExhausted,
    GatewayError,
    GatewayKeyRejected,
    GatewayTimeout,
    GatewayUnavailable,
    ModelNotAllowed,
    PromptRejected,
    RateLimited,
    StreamInterrupted,
    UpstreamFailed,
)

BACKOFF = 0.3
ASKED, FIRST, SECOND = MODELS = ("asked", "first", "second")

AGAIN = Step(ASKED, BACKOFF)
TABLE: list[tuple[str, list[tuple[str, GatewayError]], Step | None]] = [
    ("a rate limit is waited out", [(ASKED, RateLimited())], AGAIN),
    ("a rate limit is waited out twice", [(ASKED, RateLimited())] * 2, AGAIN),
    ("the third rate limit asks a fallback", [(ASKED, RateLimited())] * 3, Step(FIRST)),
    ("a spent budget asks a fallback at once", [(ASKED, BudgetExhausted())], Step(FIRST)),
    ("a failed provider is asked once more", [(ASKED, UpstreamFailed())], AGAIN),
    ("then a fallback is asked", [(ASKED, UpstreamFailed())] * 2, Step(FIRST)),
    ("a timeout is tried once more", [(ASKED, GatewayTimeout())], AGAIN),
    ("then another model may be faster", [(ASKED, GatewayTimeout())] * 2, Step(FIRST)),
    ("an unreachable gateway is tried once more", [(ASKED, GatewayUnavailable())], AGAIN),
    ("then no model is replaced, all live there", [(ASKED, GatewayUnavailable())] * 2, None),
    ("a model that is not routed is not replaced", [(ASKED, ModelNotAllowed())], None),
    ("a refused prompt is refused everywhere", [(ASKED, PromptRejected())], None),
    ("a rejected key opens no other model", [(ASKED, GatewayKeyRejected())], None),
    ("half an answer is not begun again", [(ASKED, StreamInterrupted())], None),
    (
        "a rate limit after a failure leaves one retry of its two",
        [(ASKED, UpstreamFailed()), (ASKED, RateLimited())],
        AGAIN,
    ),
    (
        "a failure after a rate limit has had its one retry",
        [(ASKED, RateLimited()), (ASKED, UpstreamFailed())],
        Step(FIRST),
    ),
    (
        "a refused prompt after a failure ends the call",
        [(ASKED, UpstreamFailed()), (ASKED, PromptRejected())],
        None,
    ),
    (
        "a fallback is asked once",
        [(ASKED, BudgetExhausted()), (FIRST, RateLimited(retry_after=0))],
        Step(SECOND),
    ),
    (
        "a fallback that is not routed lets the next one try",
        [(ASKED, BudgetExhausted()), (FIRST, ModelNotAllowed())],
        Step(SECOND),
    ),
    (
        "a fallback whose provider refuses the prompt lets the next one try",
        [(ASKED, BudgetExhausted()), (FIRST, PromptRejected())],
        Step(SECOND),
    ),
    (
        "a key that a fallback finds rejected ends the call",
        [(ASKED, BudgetExhausted()), (FIRST, GatewayKeyRejected())],
        None,
    ),
    (
        "a gateway that a fallback finds gone ends the call",
        [(ASKED, BudgetExhausted()), (FIRST, GatewayUnavailable())],
        None,
    ),
    (
        "after the last fallback there is nobody left",
        [(ASKED, BudgetExhausted()), (FIRST, UpstreamFailed()), (SECOND, UpstreamFailed())],
        None,
    ),
]


def failures_of(rows: Sequence[tuple[str, GatewayError]]) -> list[Failure]:
    return [Failure(model, error) for model, error in rows]


@pytest.mark.parametrize(
    ("rows", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_done_after_a_failure(
    rows: list[tuple[str, GatewayError]], expected: Step | None
) -> None:
    step = next_step(MODELS, failures_of(rows), remaining=60, backoff=BACKOFF)
    assert step == expected


@pytest.mark.parametrize(
    ("retry_after", "remaining", "expected"),
    [
        pytest.param(3, 60, Step(ASKED, 3), id="a gateway that names a time is not asked before"),
        pytest.param(0.1, 60, AGAIN, id="a time shorter than the backoff does not shorten it"),
        pytest.param(0, 60, AGAIN, id="neither does none at all"),
        pytest.param(9.9, 10, Step(ASKED, 9.9), id="a wait that ends before the deadline is kept"),
        pytest.param(10, 10, Step(FIRST), id="one that ends with it is not"),
        pytest.param(1e9, 60, Step(FIRST), id="nor is one that ends in thirty years"),
        pytest.param(
            MAX_WAIT_SECONDS, 600, Step(FIRST), id="nor one that no caller would sit through"
        ),
    ],
)
def test_retry_after_is_obeyed_within_bounds_else_a_fallback_answers(
    retry_after: float, remaining: float, expected: Step
) -> None:
    limited = [Failure(ASKED, RateLimited(retry_after=retry_after))]
    assert next_step(MODELS, limited, remaining=remaining, backoff=BACKOFF) == expected


def test_a_wait_that_is_too_long_without_a_fallback_ends_the_call() -> None:
    limited = [Failure(ASKED, RateLimited(retry_after=90))]
    assert next_step([ASKED], limited, remaining=600, backoff=BACKOFF) is None


def test_an_unreachable_gateway_that_names_a_long_wait_is_not_waited_for() -> None:
    gone = [Failure(ASKED, GatewayUnavailable(retry_after=90))]
    assert next_step(MODELS, gone, remaining=600, backoff=BACKOFF) is None


@pytest.mark.parametrize("remaining", [0, -1])
@pytest.mark.parametrize("error", [RateLimited(), BudgetExhausted(), GatewayTimeout()])
def test_nothing_is_tried_after_the_deadline(error: GatewayError, remaining: float) -> None:
    failed = [Failure(ASKED, error)]
    assert next_step(MODELS, failed, remaining=remaining, backoff=BACKOFF) is None


def test_a_backoff_past_the_deadline_leaves_the_time_to_a_fallback() -> None:
    failed = [Failure(ASKED, UpstreamFailed())]
    assert next_step(MODELS, failed, remaining=0.2, backoff=BACKOFF) == Step(FIRST)


def test_there_is_a_fifth_attempt_and_no_sixth() -> None:
    models = [ASKED, "a", "b", "c", "d"]
    four = failures_of([(ASKED, RateLimited())] * 3 + [("a", UpstreamFailed())])
    five = [*four, Failure("b", UpstreamFailed())]
    assert next_step(models, four, remaining=60, backoff=0) == Step("b")
    assert next_step(models, five, remaining=60, backoff=0) is None


def concrete(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from concrete(subclass)


@pytest.mark.parametrize("kind", list(concrete()))
def test_every_class_of_failure_ends_within_its_retries_and_five_attempts(
    kind: type[GatewayError],
) -> None:
    models = [ASKED, "a", "b", "c", "d", "e"]
    asked = [ASKED]
    failures = [Failure(ASKED, kind())]
    while step := next_step(models, failures, remaining=60, backoff=0):
        asked.append(step.model)
        failures.append(Failure(step.model, kind()))
    assert len(asked) <= MAX_ATTEMPTS
    assert asked.count(ASKED) == 1 + kind.retries
    replaced = asked[1 + kind.retries :]
    assert replaced == models[1 : 1 + len(replaced)], "in order, each once"
    assert bool(replaced) is kind.falls_back


@pytest.mark.parametrize(
    ("requested", "fallbacks", "expected"),
    [
        ("claude-opus", ["gemini-pro", "gpt-4o"], ["gemini-pro", "gpt-4o"]),
        ("gemini-flash", ["gemini-pro", "claude-opus"], ["claude-opus", "gemini-pro"]),
        (
            "gemini-flash",
            ["gemini-a", "claude-a", "gemini-b"],
            ["claude-a", "gemini-a", "gemini-b"],
        ),
        ("claude-opus", ["claude-opus", "gemini-pro"], ["gemini-pro"]),
        ("claude-opus", ["gemini-pro", "gemini-pro"], ["gemini-pro"]),
        ("claude-opus", ["claude-opus"], []),
        ("claude-opus", [], []),
    ],
)
def test_fallbacks_of_another_provider_come_first_and_the_requested_never_twice(
    requested: str, fallbacks: list[str], expected: list[str]
) -> None:
    assert in_order(requested, fallbacks) == (requested, *expected)


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


class ScriptedCall:
    """A call whose attempts take a second each and turn out as the script says."""

    def __init__(self, *script: BaseException | str, models: Sequence[str] = MODELS) -> None:
        self.clock = Clock()
        self.attempts = Attempts(models, self.clock() + 60, self.clock, self.clock.sleep)
        self.asked: list[str] = []
        self._script = iter(script)

    async def run(self, *, answered: bool = False) -> str:
        async for attempt in self.attempts:
            with attempt:
                self.asked.append(attempt.model)
                self.clock.now += 1
                self.attempts.answered = answered
                outcome = next(self._script)
                if isinstance(outcome, BaseException):
                    raise outcome
                attempt.succeeded()
                return outcome
        raise AssertionError("attempts end with an answer or an error")

    def outcomes(self) -> list[tuple[str, str, int]]:
        return [(a.model, a.outcome, a.status) for a in self.attempts.receipt]


async def test_an_answer_at_once_has_a_receipt_of_one_line_and_no_wait() -> None:
    call = ScriptedCall("Paris")
    assert await call.run() == "Paris"
    assert call.clock.waits == []
    (line,) = call.attempts.receipt
    assert line.model_dump() == {
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
    assert [line.wait_ms for line in call.attempts.receipt] == [0, 2000, 3500]
    assert [line.duration_ms for line in call.attempts.receipt] == [1000, 1000, 1000]


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
    assert raised.value.extra["attempts"] == [a.model_dump() for a in call.attempts.receipt]
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


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), asyncio.CancelledError(), KeyboardInterrupt(), TimeoutError()]
)
@pytest.mark.parametrize("answered", [False, True])
async def test_what_is_not_the_gateways_failure_passes_through_untouched(
    error: BaseException, answered: bool
) -> None:
    call = ScriptedCall(error)
    with pytest.raises(type(error)) as raised:
        await call.run(answered=answered)
    assert raised.value is error
    assert call.asked == [ASKED]
    assert call.attempts.receipt == []
