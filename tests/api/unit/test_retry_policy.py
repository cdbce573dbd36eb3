"""When an attempt is made again, when another model is asked, when a call is given up."""

from collections.abc import Iterator, Sequence

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
    StreamInterrupted,
    UpstreamFailed,
)
from api.llm.attempt import SKIPPED, Attempt
from api.llm.retry_policy import MAX_CALLS, MAX_WAIT_SECONDS, in_order, next_attempt

BACKOFF = 0.3
ASKED, FIRST, SECOND = MODELS = ("asked", "first", "second")

AGAIN = Attempt(ASKED, BACKOFF, spends_budget=True, gateway_falls_back=False)
ANEW = Attempt(ASKED, BACKOFF, spends_budget=True)
TABLE: list[tuple[str, list[tuple[str, GatewayError]], Attempt | None]] = [
    ("a rate limit is waited out", [(ASKED, RateLimited())], AGAIN),
    ("a rate limit is waited out twice", [(ASKED, RateLimited())] * 2, AGAIN),
    ("the third rate limit asks a fallback", [(ASKED, RateLimited())] * 3, Attempt(FIRST)),
    ("a spent budget asks a fallback at once", [(ASKED, BudgetExhausted())], Attempt(FIRST)),
    ("a failed provider is asked once more", [(ASKED, UpstreamFailed())], AGAIN),
    ("then a fallback is asked", [(ASKED, UpstreamFailed())] * 2, Attempt(FIRST)),
    ("a timeout is tried once more", [(ASKED, GatewayTimeout())], AGAIN),
    ("then another model may be faster", [(ASKED, GatewayTimeout())] * 2, Attempt(FIRST)),
    ("an unreachable gateway is tried once more", [(ASKED, GatewayUnavailable())], ANEW),
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
        Attempt(FIRST),
    ),
    (
        "a refused prompt after a failure ends the call",
        [(ASKED, UpstreamFailed()), (ASKED, PromptRejected())],
        None,
    ),
    (
        "a fallback is asked once",
        [(ASKED, BudgetExhausted()), (FIRST, RateLimited(retry_after=0))],
        Attempt(SECOND),
    ),
    (
        "a fallback that is not routed lets the next one try",
        [(ASKED, BudgetExhausted()), (FIRST, ModelNotAllowed())],
        Attempt(SECOND),
    ),
    (
        "a fallback whose provider refuses the prompt lets the next one try",
        [(ASKED, BudgetExhausted()), (FIRST, PromptRejected())],
        Attempt(SECOND),
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


def again(seconds: float) -> Attempt:
    return Attempt(ASKED, seconds, spends_budget=True, gateway_falls_back=False)


def failed_attempt(model: str, error: GatewayError, *, was_skipped: bool = False) -> Attempt:
    return Attempt(model, outcome=SKIPPED if was_skipped else error.code, error=error)


def failures_of(rows: Sequence[tuple[str, GatewayError]]) -> list[Attempt]:
    return [failed_attempt(model, error) for model, error in rows]


@pytest.mark.parametrize(
    ("rows", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_done_after_a_failure(
    rows: list[tuple[str, GatewayError]], expected: Attempt | None
) -> None:
    step = next_attempt(MODELS, failures_of(rows), remaining=60, backoff=BACKOFF, may_retry=True)
    assert step == expected


@pytest.mark.parametrize(
    ("retry_after", "remaining", "expected"),
    [
        pytest.param(
            3,
            60,
            again(3),
            id="a gateway that names a time is not asked before",
        ),
        pytest.param(0.1, 60, AGAIN, id="a time shorter than the backoff does not shorten it"),
        pytest.param(0, 60, AGAIN, id="neither does none at all"),
        pytest.param(
            9.9,
            10,
            again(9.9),
            id="a wait that ends before the deadline is kept",
        ),
        pytest.param(10, 10, Attempt(FIRST), id="one that ends with it is not"),
        pytest.param(1e9, 60, Attempt(FIRST), id="nor is one that ends in thirty years"),
        pytest.param(
            MAX_WAIT_SECONDS, 600, Attempt(FIRST), id="nor one that no caller would sit through"
        ),
    ],
)
def test_retry_after_is_obeyed_within_bounds_else_a_fallback_answers(
    retry_after: float, remaining: float, expected: Attempt
) -> None:
    limited = [failed_attempt(ASKED, RateLimited(retry_after=retry_after))]
    assert (
        next_attempt(MODELS, limited, remaining=remaining, backoff=BACKOFF, may_retry=True)
        == expected
    )


def test_a_wait_that_is_too_long_without_a_fallback_ends_the_call() -> None:
    limited = [failed_attempt(ASKED, RateLimited(retry_after=90))]
    assert next_attempt([ASKED], limited, remaining=600, backoff=BACKOFF, may_retry=True) is None


def test_an_unreachable_gateway_that_names_a_long_wait_is_not_waited_for() -> None:
    gone = [failed_attempt(ASKED, GatewayUnavailable(retry_after=90))]
    assert next_attempt(MODELS, gone, remaining=600, backoff=BACKOFF, may_retry=True) is None


@pytest.mark.parametrize("remaining", [0, -1])
@pytest.mark.parametrize("error", [RateLimited(), BudgetExhausted(), GatewayTimeout()])
def test_nothing_is_tried_after_the_deadline(error: GatewayError, remaining: float) -> None:
    failed = [failed_attempt(ASKED, error)]
    assert (
        next_attempt(MODELS, failed, remaining=remaining, backoff=BACKOFF, may_retry=True) is None
    )


def test_a_backoff_past_the_deadline_leaves_the_time_to_a_fallback() -> None:
    failed = [failed_attempt(ASKED, UpstreamFailed())]
    assert next_attempt(MODELS, failed, remaining=0.2, backoff=BACKOFF, may_retry=True) == Attempt(
        FIRST
    )


def test_there_is_a_fifth_attempt_and_no_sixth() -> None:
    models = [ASKED, "a", "b", "c", "d"]
    four = failures_of([(ASKED, RateLimited())] * 3 + [("a", UpstreamFailed())])
    five = [*four, failed_attempt("b", UpstreamFailed())]
    assert next_attempt(models, four, remaining=60, backoff=0, may_retry=True) == Attempt(
        "b", gateway_falls_back=False
    )
    assert next_attempt(models, five, remaining=60, backoff=0, may_retry=True) is None


def through_two(error: GatewayError) -> GatewayError:
    """The same where the gateway has asked both providers of an alias."""
    error.upstream_calls = 2
    return error


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([(ASKED, through_two(UpstreamFailed()))], AGAIN),
        (
            [(ASKED, through_two(UpstreamFailed())), (ASKED, UpstreamFailed())],
            Attempt(FIRST),
        ),
        (
            [(ASKED, through_two(RateLimited())), (ASKED, RateLimited()), (ASKED, RateLimited())],
            Attempt(FIRST, gateway_falls_back=False),
        ),
        (
            [
                (ASKED, through_two(UpstreamFailed())),
                (ASKED, UpstreamFailed()),
                (FIRST, through_two(UpstreamFailed())),
            ],
            None,
        ),
    ],
    ids=["again, at one", "both of the next", "one of the next, for one is left", "none is left"],
)
def test_what_the_gateway_tried_by_itself_counts_and_is_tried_once(
    failures: list[tuple[str, GatewayError]], expected: Attempt | None
) -> None:
    failed = failures_of(failures)
    assert next_attempt(MODELS, failed, remaining=60, backoff=BACKOFF, may_retry=True) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UpstreamFailed(), Attempt(FIRST)),
        (RateLimited(), Attempt(FIRST)),
        (GatewayUnavailable(), None),
    ],
)
def test_without_room_in_the_budget_nothing_is_asked_again_but_a_fallback(
    error: GatewayError, expected: Attempt | None
) -> None:
    failed = [failed_attempt(ASKED, error)]
    assert next_attempt(MODELS, failed, remaining=60, backoff=0, may_retry=False) == expected


@pytest.mark.parametrize(
    ("error", "expected"), [(UpstreamFailed(), Attempt(FIRST)), (GatewayUnavailable(), None)]
)
def test_a_model_that_was_skipped_is_not_asked_again_but_its_fallback_is(
    error: GatewayError, expected: Attempt | None
) -> None:
    skipped = [failed_attempt(ASKED, error, was_skipped=True)]
    assert next_attempt(MODELS, skipped, remaining=60, backoff=0, may_retry=True) == expected


def test_what_was_skipped_is_not_one_of_the_five_attempts() -> None:
    models = [ASKED, "a", "b", "c", "d", "e"]
    failures = [failed_attempt(ASKED, UpstreamFailed(), was_skipped=True)]
    while step := next_attempt(models, failures, remaining=60, backoff=0, may_retry=True):
        failures.append(failed_attempt(step.model, UpstreamFailed()))
    assert [failure.model for failure in failures] == models


def test_a_renewed_key_gets_one_try_and_no_more() -> None:
    refused = failed_attempt(ASKED, GatewayKeyRejected().after_renewal())
    for may_retry in (True, False):
        step = next_attempt(MODELS, [refused], remaining=60, backoff=BACKOFF, may_retry=may_retry)
        assert step == Attempt(ASKED), "all calls of that moment may, it is no more load"
    assert next_attempt(MODELS, [refused] * 2, remaining=60, backoff=0, may_retry=True) is None


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
    failures = [failed_attempt(ASKED, kind())]
    while step := next_attempt(models, failures, remaining=60, backoff=0, may_retry=True):
        asked.append(step.model)
        failures.append(failed_attempt(step.model, kind()))
    assert len(asked) <= MAX_CALLS
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
