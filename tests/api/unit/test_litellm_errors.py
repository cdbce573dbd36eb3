"""Every exception class of the pinned litellm has one name of ours, by its kind or by what the
gateway answered further down the chain."""

import inspect
from typing import Any

import httpx
import openai
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
from api.litellm_client.client import load_litellm
from api.litellm_client.errors import error_of_exception

REQUEST = httpx.Request("POST", "http://gateway.test/v1/chat/completions")
PARTS = {"message": "what went wrong", "model": "m", "llm_provider": "openai"}


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, request=REQUEST)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "APIError": PARTS | {"status_code": 403},
    "BlockedPiiEntityError": {"entity_type": "EMAIL"},
    "BudgetExceededError": {"current_cost": 2.0, "max_budget": 1.0},
    "GuardrailRaisedException": {"guardrail_name": "g", "message": "no"},
    "JSONSchemaValidationError": {
        "model": "m",
        "llm_provider": "openai",
        "raw_response": "{",
        "schema": "{}",
    },
    "LiteLLMUnknownProvider": {"model": "m"},
    "MockException": PARTS | {"status_code": 500},
    "ModelNotMappedError": {},
    "ModifyResponseException": {"message": "no", "model": "m", "request_data": {}},
    "OpenAIError": {},
    "PermissionDeniedError": PARTS | {"response": answer(403)},
    "RejectedRequestError": PARTS | {"request_data": {}},
    "SensitiveDataRouteException": {"route_to_model": "m", "session_id": "s"},
    "UnprocessableEntityError": PARTS | {"response": answer(422)},
    "VectorStoreSearchError": {"failures": []},
}
"""How litellm makes those that want something else than a message, a model and a provider."""

TABLE: dict[str, type[GatewayError]] = {
    "APIConnectionError": GatewayUnavailable,
    "APIError": UpstreamFailed,
    "APIResponseValidationError": UpstreamFailed,
    "AuthenticationError": UpstreamFailed,
    "BadGatewayError": UpstreamFailed,
    "BadRequestError": PromptRejected,
    "BlockedPiiEntityError": PromptRejected,
    "BudgetExceededError": BudgetExhausted,
    "ContentPolicyViolationError": PromptRejected,
    "ContextWindowExceededError": PromptRejected,
    "GuardrailRaisedException": PromptRejected,
    "ImageFetchError": PromptRejected,
    "InternalServerError": UpstreamFailed,
    "InvalidRequestError": PromptRejected,
    "JSONSchemaValidationError": UpstreamFailed,
    "LiteLLMUnknownProvider": PromptRejected,
    "MidStreamFallbackError": UpstreamFailed,
    "MockException": UpstreamFailed,
    "ModelNotMappedError": UpstreamFailed,
    "ModifyResponseException": UpstreamFailed,
    "NotFoundError": UpstreamFailed,
    "OpenAIError": UpstreamFailed,
    "PaymentRequiredError": UpstreamFailed,
    "PermissionDeniedError": UpstreamFailed,
    "RateLimitError": RateLimited,
    "RejectedRequestError": PromptRejected,
    "SensitiveDataRouteException": UpstreamFailed,
    "ServiceUnavailableError": UpstreamFailed,
    "Timeout": GatewayTimeout,
    "UnprocessableEntityError": PromptRejected,
    "UnsupportedParamsError": PromptRejected,
    "VectorStoreSearchError": PromptRejected,
}


@pytest.fixture(scope="module")
def exceptions() -> dict[str, type[Exception]]:
    """Every exception class of `litellm.exceptions`, by its name."""
    litellm = load_litellm()
    # 1. The first response is built under the filters that litellm's import set and pytest resets.
    litellm.ModelResponse()
    found = inspect.getmembers(litellm.exceptions, inspect.isclass)
    return {name: kind for name, kind in found if issubclass(kind, Exception)}


def test_every_exception_class_of_litellm_is_in_the_table(
    exceptions: dict[str, type[Exception]],
) -> None:
    assert sorted(exceptions) == sorted(TABLE)


@pytest.mark.parametrize(("name", "kind"), TABLE.items())
def test_an_exception_class_has_one_name(
    exceptions: dict[str, type[Exception]], name: str, kind: type[GatewayError]
) -> None:
    raised = exceptions[name](**ARGUMENTS.get(name, PARTS))
    error = error_of_exception(raised)
    assert type(error) is kind
    assert len(error.reason) <= 500


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Exception("All fallbacks failed"), UpstreamFailed),
        (ValueError("litellm's own bug"), UpstreamFailed),
        (ImportError("litellm requires langfuse>=4.7"), UpstreamFailed),
        (TimeoutError(), GatewayTimeout),
        (ConnectionResetError(), GatewayUnavailable),
        (httpx.ConnectError("refused"), GatewayUnavailable),
        (httpx.RemoteProtocolError("cut"), GatewayUnavailable),
        (httpx.ReadTimeout("late"), GatewayTimeout),
        (openai.APIConnectionError(request=REQUEST), GatewayUnavailable),
        (openai.APITimeoutError(REQUEST), GatewayTimeout),
    ],
    ids=repr,
)
def test_what_is_no_class_of_litellms_has_a_name_too(
    raised: Exception, kind: type[GatewayError]
) -> None:
    assert type(error_of_exception(raised)) is kind


def raised_from(raised: Exception, *causes: Exception) -> Exception:
    """The exception as litellm raises it: with the one it came from as cause or context."""
    newer = raised
    for number, cause in enumerate(causes):
        if number % 2:
            newer.__cause__ = cause
        else:
            newer.__context__ = cause
        newer = cause
    return raised


def said_by_gateway(status: int, error: Any, **headers: str) -> openai.APIStatusError:
    """What the openai client raises for a failing answer of the gateway."""
    response = answer(status, **headers)
    return openai.APIStatusError("an answer", response=response, body=error)


ANSWERED: list[tuple[str, str, int, Any, type[GatewayError]]] = [
    (
        "a wrong key looks like a bad request",
        "BadRequestError",
        400,
        {"message": "No connected db.", "type": "no_db_connection", "code": "400"},
        GatewayKeyRejected,
    ),
    (
        "a model that is not routed looks like a bad prompt",
        "BadRequestError",
        400,
        {"message": "/chat/completions: Invalid model name passed in model=x", "code": "400"},
        ModelNotAllowed,
    ),
    (
        "no key looks like the provider's key",
        "AuthenticationError",
        401,
        {"message": "Authentication Error, No api key passed in.", "type": "auth_error"},
        GatewayKeyRejected,
    ),
    (
        "a provider's key looks like ours",
        "AuthenticationError",
        401,
        {"message": "litellm.AuthenticationError: AuthenticationError: x", "code": "401"},
        UpstreamFailed,
    ),
    (
        "a budget looks like a rate limit",
        "RateLimitError",
        429,
        {"message": "No deployments available - crossed budget: x", "code": "429"},
        BudgetExhausted,
    ),
    (
        "a cooldown looks like a rate limit",
        "RateLimitError",
        429,
        {"message": "wait", "type": "all_deployments_in_cooldown", "code": "429"},
        UpstreamFailed,
    ),
    (
        "a body that still has its error object around it",
        "BadRequestError",
        400,
        {"error": {"message": "No connected db.", "type": "no_db_connection"}},
        GatewayKeyRejected,
    ),
    (
        "an error in words is none of LiteLLM's",
        "InternalServerError",
        502,
        {"error": "Bad Gateway"},
        UpstreamFailed,
    ),
]


@pytest.mark.parametrize(
    ("name", "status", "said", "kind"), [row[1:] for row in ANSWERED], ids=[r[0] for r in ANSWERED]
)
def test_what_the_gateway_answered_goes_before_the_class_that_litellm_made_of_it(
    exceptions: dict[str, type[Exception]],
    name: str,
    status: int,
    said: Any,
    kind: type[GatewayError],
) -> None:
    raised = raised_from(exceptions[name](**PARTS), said_by_gateway(status, said))
    assert type(error_of_exception(raised)) is kind


@pytest.mark.parametrize("name", ["retry-after", "llm_provider-retry-after"])
def test_the_time_to_wait_is_found_wherever_in_the_chain_it_is(
    exceptions: dict[str, type[Exception]], name: str
) -> None:
    limited: Any = exceptions["RateLimitError"](**PARTS)
    limited.litellm_response_headers = httpx.Headers({name.title(): "7"})
    said = said_by_gateway(429, {"message": "slow down", "code": "429"})
    for raised in (limited, raised_from(Exception("outer"), limited)):
        raised_from(limited, said)
        error = error_of_exception(raised)
        assert type(error) is RateLimited
        assert error.retry_after == 7


def test_a_refused_connection_is_an_unreachable_gateway_whatever_litellm_calls_it(
    exceptions: dict[str, type[Exception]],
) -> None:
    refused = raised_from(
        exceptions["InternalServerError"](**PARTS),
        openai.APIConnectionError(request=REQUEST),
        httpx.ConnectError("All connection attempts failed"),
        ConnectionRefusedError(111, "Connection refused"),
    )
    assert type(error_of_exception(refused)) is GatewayUnavailable


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (httpx.ConnectTimeout("nobody takes the call"), GatewayUnavailable),
        (httpx.ReadTimeout("nobody answers"), GatewayTimeout),
    ],
    ids=repr,
)
def test_a_gateway_that_takes_no_call_is_told_from_one_that_does_not_answer(
    exceptions: dict[str, type[Exception]], last: Exception, kind: type[GatewayError]
) -> None:
    late = raised_from(exceptions["Timeout"](**PARTS), openai.APITimeoutError(REQUEST), last)
    assert type(error_of_exception(late)) is kind


def test_an_error_of_ours_anywhere_in_the_chain_is_kept_as_it_is(
    exceptions: dict[str, type[Exception]],
) -> None:
    ours = GatewayTimeout("the deadline is over")
    assert error_of_exception(ours) is ours
    assert (
        error_of_exception(raised_from(exceptions["APIError"](**ARGUMENTS["APIError"]), ours))
        is ours
    )
