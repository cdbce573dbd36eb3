"""Each answer that LiteLLM 1.106.2 really gave, shortened, has exactly one name of ours."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

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
from api.gateway.error_table import CALLS_HEADER, error_of_body, retry_after, upstream_calls

FAILED_ABOVE = (
    "\n\nLiteLLM: model group 'm' failed with the error above. No fallback was attempted."
)


def body(message: str, kind: str | None, code: str, *, of_a_model: bool = False) -> bytes:
    message += FAILED_ABOVE if of_a_model else ""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def of_model(kind_of_exception: str, words: str, kind: str, code: str) -> bytes:
    """The answer to a call that the provider failed."""
    message = f"litellm.{kind_of_exception}: {words}"
    return body(message, kind, code, of_a_model=True)


def from_provider(kind_of_exception: str, kind: str, code: str) -> bytes:
    words = f"{kind_of_exception}: OpenAIException - secret upstream detail {code}"
    return of_model(kind_of_exception, words, kind, code)


REAL: list[tuple[str, int, bytes, type[GatewayError]]] = [
    (
        "a provider's 500",
        500,
        from_provider("InternalServerError", "internal_server_error", "500"),
        UpstreamFailed,
    ),
    (
        "a provider's 503 is not the gateway's",
        503,
        from_provider("ServiceUnavailableError", "internal_server_error", "503"),
        UpstreamFailed,
    ),
    (
        "a provider's 529",
        529,
        from_provider("APIError", "internal_server_error", "529"),
        UpstreamFailed,
    ),
    (
        "a provider's 429",
        429,
        from_provider("RateLimitError", "throttling_error", "429"),
        RateLimited,
    ),
    (
        "a provider's 401 is not our key",
        401,
        from_provider("AuthenticationError", "authentication_error", "401"),
        UpstreamFailed,
    ),
    (
        "a provider's 403 is not our key",
        403,
        from_provider("APIError", "permission_error", "403"),
        UpstreamFailed,
    ),
    (
        "a provider's 404 is not the gateway's routing",
        404,
        from_provider("NotFoundError", "invalid_request_error", "404"),
        UpstreamFailed,
    ),
    (
        "a provider's 413",
        413,
        from_provider("APIError", "invalid_request_error", "413"),
        PromptRejected,
    ),
    (
        "a context that is too long",
        400,
        of_model(
            "ContextWindowExceededError",
            "litellm.BadRequestError: ContextWindowExceededError: OpenAIException - This model's "
            "maximum context length is 8 tokens.\nmodel=context. context_window_fallbacks=None.",
            "invalid_request_error",
            "400",
        ),
        PromptRejected,
    ),
    (
        "a bad parameter",
        400,
        of_model(
            "BadRequestError",
            "OpenAIException - temperature must be between 0 and 1",
            "invalid_request_error",
            "400",
        ),
        PromptRejected,
    ),
    (
        "a provider that answers HTML",
        500,
        of_model(
            "InternalServerError",
            "InternalServerError: OpenAIException - Empty or invalid response from LLM endpoint. "
            "Received: '<html><body>It works!</body></html>'.",
            "internal_server_error",
            "500",
        ),
        UpstreamFailed,
    ),
    (
        "a provider that answers half a JSON",
        500,
        of_model(
            "InternalServerError",
            "InternalServerError: OpenAIException - Expecting value: line 1 column 14 (char 13)",
            "internal_server_error",
            "500",
        ),
        UpstreamFailed,
    ),
    (
        "a provider that cannot be reached is not a gateway that cannot",
        500,
        of_model(
            "InternalServerError",
            "InternalServerError: OpenAIException - Connection error.",
            "internal_server_error",
            "500",
        ),
        UpstreamFailed,
    ),
    (
        "a provider's key that is missing",
        500,
        of_model(
            "InternalServerError",
            "InternalServerError: OpenAIException - Missing credentials. Please pass an `api_key`.",
            "internal_server_error",
            "500",
        ),
        UpstreamFailed,
    ),
    (
        "a bug of LiteLLM's",
        500,
        body("'NoneType' object has no attribute '__aiter__'", "None", "500"),
        UpstreamFailed,
    ),
    ("a crash of LiteLLM's", 500, b"Internal Server Error", UpstreamFailed),
    (
        "a provider that hangs",
        408,
        of_model(
            "Timeout",
            "APITimeoutError - Request timed out. Error_str: Request timed out. - timeout "
            "value=3.0, time taken=3.0 seconds",
            "invalid_request_error",
            "408",
        ),
        GatewayTimeout,
    ),
    (
        "a provider that hangs before it streams",
        500,
        body(
            "litellm.APIConnectionError: APIConnectionError: OpenAIException - Timeout on reading "
            "data from socket",
            None,
            "500",
        ),
        GatewayTimeout,
    ),
    (
        "a limit of the gateway's own",
        429,
        of_model(
            "RateLimitError",
            "Model rate limit exceeded. RPM limit=1, current usage=2",
            "throttling_error",
            "429",
        ),
        RateLimited,
    ),
    (
        "a budget of a deployment",
        429,
        body(
            "No deployments available - crossed budget: Exceeded budget for deployment model_name: "
            "broke, litellm_params.model: openai/ok, model_id: 4fd4: 0.025 >= 1d\n",
            "internal_server_error",
            "429",
        ),
        BudgetExhausted,
    ),
    (
        "a budget of a key, as a 422",
        422,
        body("Budget has been exceeded! Current cost: 1, Max: 1", "budget_exceeded", "422"),
        BudgetExhausted,
    ),
    (
        "a budget of a key, as a 429",
        429,
        body("Budget has been exceeded! Current cost: 1, Max: 1", "budget_exceeded", "429"),
        BudgetExhausted,
    ),
    (
        "a budget of a key, as a 400",
        400,
        body("ExceededBudget: Over budget", "budget_exceeded", "400"),
        BudgetExhausted,
    ),
    (
        "a cooldown hides the provider's failure",
        429,
        body("No deployments available for selected model", "all_deployments_in_cooldown", "429"),
        UpstreamFailed,
    ),
    (
        "a policy that cannot tell lets nothing pass, and that blames no model",
        503,
        body("What was spent cannot be told.", "budget_unavailable", "503"),
        GatewayUnavailable,
    ),
    (
        "a key that speaks for another project",
        403,
        body("This key does not speak for this project.", "project_mismatch", "403"),
        GatewayKeyRejected,
    ),
    (
        "a model that the policy does not allow",
        400,
        body("Model not allowed. Allowed are: a, b", "model_not_allowed", "400"),
        ModelNotAllowed,
    ),
    (
        "a model that is not routed",
        400,
        body(
            "/chat/completions: Invalid model name passed in model=nosuch. Call `/v1/models` to "
            "view available models for your key.",
            "invalid_request_error",
            "400",
        ),
        ModelNotAllowed,
    ),
    (
        "a model that the policy refuses",
        400,
        body("Model not allowed", "invalid_request_error", "400"),
        ModelNotAllowed,
    ),
    (
        "a wrong key without a database",
        400,
        body("No connected db.", "no_db_connection", "400"),
        GatewayKeyRejected,
    ),
    (
        "no key",
        401,
        body("Authentication Error, No api key passed in.", "auth_error", "401"),
        GatewayKeyRejected,
    ),
    (
        "a wrong key by our own policy",
        401,
        body("Authentication Error, no such key", "auth_error", "401"),
        GatewayKeyRejected,
    ),
    (
        "a wrong key with a database",
        401,
        body("Authentication Error, Invalid proxy token", "token_not_found_in_db", "401"),
        GatewayKeyRejected,
    ),
    (
        "a key that is over",
        400,
        body("Authentication Error - Expired Key", "expired_key", "400"),
        GatewayKeyRejected,
    ),
    ("an ingress without a gateway", 502, b"<html>Bad Gateway</html>", GatewayUnavailable),
    ("an ingress whose gateway restarts", 503, b"", GatewayUnavailable),
    ("an ingress that lost patience", 504, b"<html></html>", GatewayTimeout),
    ("an ingress that wants a key", 401, b"", GatewayKeyRejected),
    ("an ingress that shuts us out", 403, b"<html></html>", GatewayKeyRejected),
    ("an ingress with a limit", 429, b"slow down", RateLimited),
    ("an ingress with a bound on bodies", 413, b"<html></html>", PromptRejected),
    ("a redirect", 307, b"", UpstreamFailed),
    ("an address without a gateway", 404, b'{"detail":"Not Found"}', UpstreamFailed),
]


@pytest.mark.parametrize(
    ("status", "answer", "kind"), [row[1:] for row in REAL], ids=[row[0] for row in REAL]
)
def test_what_litellm_answers_has_one_name(
    status: int, answer: bytes, kind: type[GatewayError]
) -> None:
    error = error_of_body(status, answer, {})
    assert type(error) is kind
    assert error.reason.startswith(str(status))
    assert len(error.reason) <= 500


SHAPES: list[Any] = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"error": null}',
    b'{"error": "in words"}',
    b'{"error": []}',
    b'{"error": {}}',
    b'{"error": {"message": null, "type": null, "code": null}}',
    b'{"error": {"message": 7}}',
    b'{"error": {"message": "", "code": "abc"}}',
    b'{"error": {"message": "litellm.APIError: x", "code": "invalid_api_key"}}',
    b'{"error": {"message": "Invalid model name", "code": 42}}',
    b'{"error": {"message": "x", "code": "\\u0663\\u0663\\u0663"}}',
    b'{"error": {"message": "\\ud800"}}',
    b"{" * 10_000,
    pytest.param(
        b'{"error": {"message": "\xff"}}',
        id="not UTF-8",
    ),
    pytest.param(
        b'{"more": ' + b"[" * 100_000,
        id="nested without end",
    ),
]


@pytest.mark.parametrize("answer", SHAPES)
def test_every_status_with_every_shape_of_body_has_a_name(answer: bytes) -> None:
    for status in range(300, 600):
        error = error_of_body(status, answer, {})
        assert isinstance(error, GatewayError)
        assert type(error) is not GatewayError


@pytest.mark.parametrize("code", ["429", 429])
def test_the_code_in_the_body_goes_before_the_status_of_the_answer(code: str | int) -> None:
    answer = json.dumps({"error": {"message": "slow down", "code": code}}).encode()
    assert type(error_of_body(500, answer, {})) is RateLimited


@pytest.mark.parametrize("code", ["200", "0", "600", "-1", "model_not_found", "", None, 399])
def test_a_code_that_is_no_failing_status_is_not_one(code: Any) -> None:
    answer = json.dumps({"error": {"message": "slow down", "code": code}}).encode()
    assert type(error_of_body(429, answer, {})) is RateLimited


def test_a_refused_model_is_told_from_a_prompt_that_speaks_of_one() -> None:
    words = "OpenAIException - Invalid model name in your prompt"
    answer = of_model("BadRequestError", words, "invalid_request_error", "400")
    assert type(error_of_body(400, answer, {})) is PromptRejected


def in_http_time(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("name", ["retry-after", "llm_provider-retry-after"])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("999999999", 999_999_999),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("+7", None),
        ("\u0667", None),
        ("7, 8", None),
        ("9" * 5000, None),
        ("Sun, 06 Nov 2099", None),
        ("Sun, 99 Nov 2099 08:49:37 GMT", None),
        ("Sun, 06 Nov 2099 08:49:37 -0000", None),
        pytest.param(
            "Sun, 06 Nov 99999999999 08:49:37 GMT",
            None,
            id="a year that is no year",
        ),
        pytest.param(
            "Sun, 06 Nov 2099 08:49:37 +99999999999999",
            None,
            id="a zone that is no zone",
        ),
    ],
)
def test_retry_after_has_two_names_two_forms_and_no_sense_otherwise(
    name: str, value: str, seconds: float | None
) -> None:
    assert retry_after({name: value}) == seconds


@pytest.mark.parametrize("name", ["retry-after", "llm_provider-retry-after"])
def test_a_time_to_come_is_the_seconds_until_then(name: str) -> None:
    seconds = retry_after({name: in_http_time(90)})
    assert seconds is not None
    assert 85 < seconds <= 90


def test_the_gateways_own_time_goes_before_the_providers_and_junk_before_none() -> None:
    assert retry_after({"retry-after": "5", "llm_provider-retry-after": "60"}) == 5
    assert retry_after({"retry-after": "soon", "llm_provider-retry-after": "60"}) == 60
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (from_provider("RateLimitError", "throttling_error", "429"), 429, RateLimited),
        (b"slow down", 429, RateLimited),
        (body("over", "budget_exceeded", "429"), 429, BudgetExhausted),
        (body("wait", "all_deployments_in_cooldown", "429"), 429, UpstreamFailed),
    ],
)
def test_an_error_that_may_be_waited_out_carries_the_time(
    answer: bytes, status: int, kind: type[GatewayError]
) -> None:
    error = error_of_body(status, answer, {"retry-after": "7"})
    assert type(error) is kind
    assert error.retry_after == 7


def test_an_unavailable_gateway_that_says_when_to_come_back_is_believed() -> None:
    assert error_of_body(503, b"", {"retry-after": "7"}).retry_after == 7


@pytest.mark.parametrize(
    ("said", "calls"),
    [("2", 2), ("1", 1), ("0", 1), ("", 1), ("-2", 1), ("two", 1), ("٢", 1), ("9999", 1)],
)
def test_an_attempt_is_as_many_calls_as_the_gateway_says_and_one_where_it_does_not(
    said: str, calls: int
) -> None:
    headers = {CALLS_HEADER: said}
    assert upstream_calls(headers) == calls
    assert error_of_body(500, body("litellm.X: x", None, "500"), headers).upstream_calls == calls
    assert upstream_calls({}) == 1
