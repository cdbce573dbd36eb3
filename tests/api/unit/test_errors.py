"""Every failure has a name, a status and a sentence of its own, as the contract's table says."""

import inspect
import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from api.errors import BudgetExhausted, GatewayError, GatewayUnavailable, RateLimited
from api.schemas import Problem
from chassis.errors import ServiceError
from chassis.problems import problem, problem_response
from chassis.trace_context import Trace

CONTRACT = {
    "unauthenticated": 401,
    "permission_denied": 403,
    "project_missing": 400,
    "project_invalid": 400,
    "invalid_request": 422,
    "request_too_large": 413,
    "model_not_allowed": 400,
    "prompt_rejected": 400,
    "rate_limited": 429,
    "budget_exhausted": 429,
    "gateway_key_rejected": 502,
    "gateway_unavailable": 503,
    "upstream_failed": 502,
    "gateway_timeout": 504,
    "overloaded": 503,
    "draining": 503,
    "stream_interrupted": 502,
}
OF_PAGES = {"foreign_page": 403}
OF_IDEMPOTENCY = {"idempotency_key_reused": 422, "state_unavailable": 503}
OF_THE_TEST = {"attribution_unproven": 502}
OF_IDENTITY = {"identity_unavailable": 503, "access_unavailable": 503}
OF_HTTP_ITSELF = {"not_found": 404, "method_not_allowed": 405, "internal_error": 500}
RETRIES = {
    "rate_limited": 2,
    "upstream_failed": 1,
    "gateway_timeout": 1,
    "gateway_unavailable": 1,
}
FALL_BACK = {"rate_limited", "budget_exhausted", "upstream_failed", "gateway_timeout"}
INTERNALS = re.compile(
    r"litellm|openai|exception|traceback|https?://|sk-|bearer (?!token)|aiohttp|upstream|\{|\}"
    r"|\d{3,}(?<!128)",
    re.IGNORECASE,
)


def tree(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for subclass in kind.__subclasses__():
        if subclass.__module__.startswith(("api.", "chassis.")):
            yield subclass
            yield from tree(subclass)


CONCRETE = [kind for kind in tree(ServiceError) if kind is not GatewayError]
EACH = pytest.mark.parametrize("kind", CONCRETE)


def test_the_classes_are_the_contracts_table_and_what_http_itself_can_say() -> None:
    assert {kind.code: kind.status for kind in CONCRETE} == (
        CONTRACT | OF_PAGES | OF_IDENTITY | OF_IDEMPOTENCY | OF_HTTP_ITSELF | OF_THE_TEST
    )


def test_no_two_classes_share_a_code_a_title_or_a_sentence() -> None:
    for name in ("code", "title", "detail"):
        assert len({getattr(kind, name) for kind in CONCRETE}) == len(CONCRETE), name


def test_what_is_tried_next_is_what_the_contract_says() -> None:
    ours = [kind for kind in CONCRETE if issubclass(kind, GatewayError)]
    assert {kind.code: kind.retries for kind in ours if kind.retries} == RETRIES
    assert {kind.code for kind in ours if kind.falls_back} == FALL_BACK
    assert not [kind for kind in ours if kind.ends_the_call and kind.falls_back]


@EACH
def test_a_class_says_its_status_its_code_and_its_sentence(kind: type[ServiceError]) -> None:
    assert HTTPStatus(kind.status) >= 400
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert re.fullmatch(r"[A-Z][A-Za-z ]+", kind.title)
    assert re.fullmatch(r"[A-Z`][^.]+(\.[^ .][^.]*)*\.", kind.detail), "one sentence"
    assert not INTERNALS.search(kind.detail)


@EACH
def test_the_problem_of_a_class_keeps_the_reason_to_itself(kind: type[ServiceError]) -> None:
    error = kind("litellm.AuthenticationError: sk-secret")
    body = problem(error, Trace())
    assert Problem.model_validate(body).status == kind.status
    assert "secret" not in str(body)
    assert body["type"] == f"urn:problem:{kind.code}"
    response = problem_response(error, Trace())
    assert response.status_code == kind.status
    assert response.media_type == "application/problem+json"
    assert (b"retry_after" in bytes(response.body)) is ("Retry-After" in response.headers)


@EACH
def test_a_429_and_a_503_always_say_when_to_come_back(kind: type[ServiceError]) -> None:
    told = problem(kind(), Trace()).get("retry_after")
    assert (told is not None) is (kind.status in (429, 503))


@pytest.mark.parametrize("kind", [RateLimited, BudgetExhausted, GatewayUnavailable])
@pytest.mark.parametrize(("told", "said"), [(7, 7), (0.2, 1), (59.01, 60), (0, 0)])
def test_what_the_gateway_told_us_goes_before_our_own_advice(
    kind: type[ServiceError], told: float, said: int
) -> None:
    error = kind(retry_after=told)
    assert problem(error, Trace())["retry_after"] == said
    assert problem_response(error, Trace()).headers["Retry-After"] == str(said)


@EACH
def test_one_error_never_lends_its_receipt_to_another(kind: type[ServiceError]) -> None:
    first, second = kind(), kind()
    first.extra["attempts"] = []
    assert second.extra == {}


@EACH
def test_the_docstring_draws_the_tree_with_every_class_in_it(kind: type[ServiceError]) -> None:
    drawn = inspect.getdoc(inspect.getmodule(kind)) or ""
    assert re.search(rf"\b{kind.__name__}\b", drawn)
