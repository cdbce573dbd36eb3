"""What a failing answer of the gateway means: one table, read from the top, the first row wins.

LiteLLM without a database says several things in unusual ways: a wrong key is a 400, a provider's
401 looks like our own, an unknown model is a 400, and Retry-After has two names.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from api import NAME
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

KEY_TYPES = {"no_db_connection", "auth_error", "token_not_found_in_db", "expired_key"}
BUDGET_TYPES = {"budget_exceeded"}
POLICY_TYPES = {
    *("policy_failed", "keys_unavailable", "budget_unavailable", "usage_unavailable"),
}
FROM_PROVIDER = re.compile(r"litellm\.\w+: ")
NO_SUCH_MODEL = re.compile(r"invalid model name|model not allowed|not a valid model", re.IGNORECASE)
OUT_OF_BUDGET = re.compile(r"crossed budget|budget has been exceeded", re.IGNORECASE)
TIMED_OUT = re.compile(r"litellm\.Timeout|Timeout on reading data")
CALLS_HEADER = f"x-{NAME}-upstream-calls"
RETRY_AFTER_NAMES = ("retry-after", "llm_provider-retry-after")
SENSELESS_SECONDS = 1e9


NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON it was told to expect."""


class ErrorObject(msgspec.Struct):
    """The `error` object of an answer or of a chunk, as far as we read it."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class ErrorBody(msgspec.Struct):
    error: ErrorObject


def error_of_body(status: int, body: bytes, headers: Mapping[str, str]) -> GatewayError:
    """The error of a failing answer as it came over the wire."""
    try:
        problem = msgspec.json.decode(body, type=ErrorBody).error
    except NOT_JSON:
        problem = None
    return error_of_answer(status, problem, headers)


def error_of_answer(
    status: int, problem: ErrorObject | None, headers: Mapping[str, str]
) -> GatewayError:
    """The one error of ours that a gateway's answer stands for.

    Args:
        status: the answer's HTTP status; that of a chunk's error is in its `code`.
        problem: its `error` object, or None when the body has none.
        headers: its headers, names in lower case.
    """
    if problem is None:
        return error_without_object(status, headers)
    status = http_status(problem.code, status)
    message, kind = problem.message or "", problem.type or ""
    from_provider = FROM_PROVIDER.match(message) is not None
    reason = reason_for_the_log(status, kind, message)
    wait = retry_after(headers)
    error: GatewayError
    if kind in KEY_TYPES:
        error = GatewayKeyRejected(reason)
    elif kind in BUDGET_TYPES or (status in (422, 429) and OUT_OF_BUDGET.search(message)):
        error = BudgetExhausted(reason, retry_after=wait)
    elif kind in POLICY_TYPES:
        error = GatewayUnavailable(reason, retry_after=wait)
    elif kind == "all_deployments_in_cooldown":
        error = UpstreamFailed(reason, retry_after=wait)
    elif status == 429:
        error = RateLimited(reason, retry_after=wait)
    elif status in (408, 504) or (status >= 500 and TIMED_OUT.search(message)):
        error = GatewayTimeout(reason)
    elif status in (401, 403, 404) and from_provider:
        error = UpstreamFailed(reason)
    elif status in (401, 403):
        error = GatewayKeyRejected(reason)
    elif (
        kind == "model_not_allowed"
        or status == 404
        or (NO_SUCH_MODEL.search(message) and status == 400 and not from_provider)
    ):
        error = ModelNotAllowed(reason)
    elif status in (400, 413, 422):
        error = PromptRejected(reason)
    else:
        error = UpstreamFailed(reason, retry_after=wait)
    error.is_gateways_word = True
    error.upstream_calls = upstream_calls(headers)
    return error


def reason_for_the_log(status: int, kind: str, message: str) -> str:
    """The gateway's words, but not where they may repeat the prompt they refuse."""
    about_the_prompt = status in (400, 413, 422) and not NO_SUCH_MODEL.search(message)
    return (f"{status} {kind}" if about_the_prompt else f"{status} {kind}: {message}")[:300]


def error_without_object(status: int, headers: Mapping[str, str]) -> GatewayError:
    """The error of an answer without an `error` object: that of something before LiteLLM."""
    reason = f"{status} without an error object"
    if status in (401, 403):
        return GatewayKeyRejected(reason)
    if status == 429:
        return RateLimited(reason, retry_after=retry_after(headers))
    if status == 413:
        return PromptRejected(reason)
    if status in (408, 504):
        return GatewayTimeout(reason)
    if status in (502, 503):
        return GatewayUnavailable(reason, retry_after=retry_after(headers))
    return UpstreamFailed(reason)


def http_status(code: str | int | None, status: int) -> int:
    """The HTTP status that an error object names, else the answer's own."""
    if isinstance(code, str):
        code = int(code) if len(code) == 3 and code.isdecimal() else None
    return code if code is not None and 400 <= code <= 599 else status


def upstream_calls(headers: Mapping[str, str]) -> int:
    """How many providers the gateway asked for one answer; 1 where it does not say."""
    said = headers.get(CALLS_HEADER, "")
    return max(1, int(said)) if said.isascii() and said.isdecimal() and len(said) < 4 else 1


@contextmanager
def counted(headers: Mapping[str, str]) -> Generator[None]:
    """Whatever fails in the block took as many calls to providers as these headers say."""
    try:
        yield
    except GatewayError as error:
        error.upstream_calls = upstream_calls(headers)
        raise


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from either name and either form of `Retry-After`; None without sense.

    Source: RFC 9110, section 10.2.3.
    """
    for name in RETRY_AFTER_NAMES:
        seconds = seconds_of(headers.get(name, "").strip())
        if seconds is not None and seconds < SENSELESS_SECONDS:
            return max(0.0, seconds)
    return None


def seconds_of(value: str) -> float | None:
    if value.isascii() and value.isdecimal():
        return float(value[:20])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return None if at.tzinfo is None else (at - datetime.now(UTC)).total_seconds()
