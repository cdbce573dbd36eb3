"""Every failure has one name, one status, one sentence for the caller and its meaning for a retry.

AccessError
├── ProjectMissing, ProjectInvalid, InvalidRequest, RequestTooLarge   the request is at fault
├── IdempotencyKeyReused                                             so is this one
├── NotFound, MethodNotAllowed                                       no such route
├── Overloaded, Draining, StateUnavailable                           this process, or its Redis
├── InternalError                                                    we are
└── GatewayError                                                     an attempt failed
    ├── ModelNotAllowed, PromptRejected, RateLimited, BudgetExhausted
    ├── UpstreamFailed, GatewayTimeout, StreamInterrupted
    └── GatewayKeyRejected, GatewayUnavailable                       every model is affected
"""

from typing import Any, ClassVar, Self


class AccessError(Exception):
    """A failure that the caller may know about.

    Args:
        reason: for the operator's log only; may hold a gateway's words.
        retry_after: seconds after which to try again, where we were told.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    detail: ClassVar[str] = "Something went wrong here; the operator finds it by the request id."
    advice: ClassVar[float | None] = None
    """Seconds after which the caller may try again, where nobody told us."""

    def __init__(self, reason: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.extra: dict[str, Any] = {}
        self.is_logged = False


class InternalError(AccessError):
    pass


class ProjectMissing(AccessError):
    status = 400
    code = "project_missing"
    title = "Project missing"
    detail = (
        "Say on which project's account the call is made, in the header X-Project-ID "
        "(an EventSource: in the query, as project_id)."
    )


class ProjectInvalid(AccessError):
    status = 400
    code = "project_invalid"
    title = "Project invalid"
    detail = (
        "X-Project-ID is given once, as 1 to 128 letters, digits, dots, hyphens or underscores."
    )


class InvalidRequest(AccessError):
    status = 422
    code = "invalid_request"
    title = "Invalid request"
    detail = "The request is not valid; `errors` says where."


class RequestTooLarge(AccessError):
    status = 413
    code = "request_too_large"
    title = "Request too large"
    detail = "The request's body is larger than this service takes."


class IdempotencyKeyReused(AccessError):
    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key reused"
    detail = "This Idempotency-Key was given before with another body; a new call needs a new key."


class NotFound(AccessError):
    status = 404
    code = "not_found"
    title = "Not found"
    detail = "There is nothing at this address."


class MethodNotAllowed(AccessError):
    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"
    detail = "This address does not take that method."


class Overloaded(AccessError):
    status = 503
    code = "overloaded"
    title = "Overloaded"
    detail = "Too many calls are under way here; please try again in a moment."
    advice = 1


class Draining(AccessError):
    status = 503
    code = "draining"
    title = "Shutting down"
    detail = "This instance is shutting down; please try again, another one will answer."
    advice = 1


class StateUnavailable(AccessError):
    status = 503
    code = "state_unavailable"
    title = "State unavailable"
    detail = "Nobody can say now whether this call was made before; please try again in a moment."
    advice = 5


class GatewayError(AccessError):
    """An attempt through the gateway failed; the attributes say what may be tried next."""

    retries: int = 0
    """How often the same model is asked again."""
    spends_the_budget: ClassVar[bool] = True
    """Whether asking again is more load on something that may be failing under its load."""
    falls_back: ClassVar[bool] = False
    """Whether another model may answer instead."""
    ends_the_call: ClassVar[bool] = False
    """Whether no other model can do better, because the gateway itself is at fault."""
    blames_the_model: ClassVar[bool] = False
    """Whether it counts towards not asking this model for a while."""
    is_gateways_word: bool = False
    """Whether the gateway said so itself, and so had accepted the key and the model."""


class ModelNotAllowed(GatewayError):
    status = 400
    code = "model_not_allowed"
    title = "Model not allowed"
    detail = "The gateway does not route this model; GET /llm/models lists those it does."


class PromptRejected(GatewayError):
    status = 400
    code = "prompt_rejected"
    title = "Prompt rejected"
    detail = "The model's provider refused this prompt: it is too long, or a setting is not valid."


class RateLimited(GatewayError):
    status = 429
    code = "rate_limited"
    title = "Rate limited"
    detail = "Too many calls for now; please try again a little later."
    advice = 10
    retries = 2
    falls_back = True


class BudgetExhausted(GatewayError):
    status = 429
    code = "budget_exhausted"
    title = "Budget exhausted"
    detail = "The budget for this model is used up; please ask the project's owner."
    advice = 3600
    falls_back = True


class UpstreamFailed(GatewayError):
    status = 502
    code = "upstream_failed"
    title = "Provider failed"
    detail = "The model's provider failed to answer; please try again."
    retries = 1
    falls_back = True
    blames_the_model = True


class GatewayTimeout(GatewayError):
    status = 504
    code = "gateway_timeout"
    title = "No answer in time"
    detail = "There was no answer in time; please try again, or ask for a shorter one."
    # For a timeout of the gateway's own; when the call's deadline is over, nothing is tried.
    retries = 1
    falls_back = True
    blames_the_model = True


class StreamInterrupted(GatewayError):
    status = 502
    code = "stream_interrupted"
    title = "Stream interrupted"
    detail = "The answer was cut off; what came so far is not complete."
    ends_the_call = True


class GatewayKeyRejected(GatewayError):
    status = 502
    code = "gateway_key_rejected"
    title = "Gateway key rejected"
    detail = "The gateway refused this service's key; the operator has to renew it."
    ends_the_call = True
    spends_the_budget = False

    def after_renewal(self) -> Self:
        """The same, where the key's file has changed since: the new key gets one retry."""
        self.retries = 1
        return self


class GatewayUnavailable(GatewayError):
    status = 503
    code = "gateway_unavailable"
    title = "Gateway unavailable"
    detail = "The gateway to the models cannot be reached; please try again in a moment."
    advice = 5
    retries = 1
    ends_the_call = True
