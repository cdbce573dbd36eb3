"""Every failure has one name, one status, one sentence for the caller and its meaning for a retry.

ServiceError: see `chassis.errors`
├── IdempotencyKeyReused                                             the request is at fault
├── StateUnavailable, AccessUnavailable                              Redis or OpenFGA is away
├── AttributionUnproven                                              the test call alone
└── GatewayError                                                     an attempt failed
    ├── ModelNotAllowed, PromptRejected, RateLimited, BudgetExhausted
    ├── UpstreamFailed, GatewayTimeout, StreamInterrupted
    └── GatewayKeyRejected, GatewayUnavailable                       every model is affected
"""

from typing import ClassVar, Self

from chassis.errors import ServiceError


class IdempotencyKeyReused(ServiceError):
    status = 422
    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was given before with another body; a new call needs a new key."
    remedy = "nothing; the caller has to use a new key"


class StateUnavailable(ServiceError):
    status = 503
    code = "state_unavailable"
    detail = "Nobody can say now whether this call was made before; please try again in a moment."
    remedy = "bring the Redis of `REDIS_URL` back"
    advice = 5


class AccessUnavailable(ServiceError):
    status = 503
    code = "access_unavailable"
    detail = "Nobody can say now who may use this project; please try again in a moment."
    remedy = "bring OpenFGA back, or look at `OPENFGA_API_URL` and `OPENFGA_STORE_ID`"
    advice = 5


class AttributionUnproven(ServiceError):
    status = 502
    code = "attribution_unproven"
    detail = "The test call was answered, but it is not proved on which project it is booked."
    remedy = "look at `checks`, at the `LANGFUSE_` variables here and in the gateway, at its log"


class GatewayError(ServiceError):
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
    upstream_calls: int = 1
    """How many calls to providers the attempt took, as the gateway says."""


class ModelNotAllowed(GatewayError):
    status = 400
    code = "model_not_allowed"
    detail = "The gateway does not route this model; GET /llm/models lists those it does."
    remedy = (
        "add the model to the gateway's config, or tell the caller what `GET /llm/models` lists"
    )


class PromptRejected(GatewayError):
    status = 400
    code = "prompt_rejected"
    detail = "The model's provider refused this prompt: it is too long, or a setting is not valid."
    remedy = "nothing; the caller has to shorten the prompt or change a setting"


class RateLimited(GatewayError):
    status = 429
    code = "rate_limited"
    detail = "Too many calls for now; please try again a little later."
    remedy = "nothing, or raise the limit at the gateway or with the provider"
    advice = 10
    retries = 2
    falls_back = True


class BudgetExhausted(GatewayError):
    status = 429
    code = "budget_exhausted"
    detail = "The budget for this model is used up; please ask the project's owner."
    remedy = "raise the budget at the gateway, with leave of the project"
    advice = 3600
    falls_back = True


class UpstreamFailed(GatewayError):
    status = 502
    code = "upstream_failed"
    detail = "The model's provider failed to answer; please try again."
    remedy = "look at the provider's status and at its key in the gateway; the log has its words"
    retries = 1
    falls_back = True
    blames_the_model = True


class GatewayTimeout(GatewayError):
    status = 504
    code = "gateway_timeout"
    detail = "There was no answer in time; please try again, or ask for a shorter one."
    remedy = "look at the latency of the provider, then at `LLM_TIMEOUT_SECONDS`"
    # For a timeout of the gateway's own; when the call's deadline is over, nothing is tried.
    retries = 1
    falls_back = True
    blames_the_model = True


class StreamInterrupted(GatewayError):
    status = 502
    code = "stream_interrupted"
    detail = "The answer was cut off; what came so far is not complete."
    remedy = "look at the provider, and for a proxy that closes long connections"
    ends_the_call = True


class GatewayKeyRejected(GatewayError):
    status = 502
    code = "gateway_key_rejected"
    detail = "The gateway refused this service's key; the operator has to renew it."
    remedy = "renew the key in the secret, restart the pod when it comes from a variable"
    ends_the_call = True
    spends_the_budget = False

    def after_renewal(self) -> Self:
        """The same, where there is another key by now: that one is worth a retry."""
        self.retries = 1
        return self


class GatewayUnavailable(GatewayError):
    status = 503
    code = "gateway_unavailable"
    detail = "The gateway to the models cannot be reached; please try again in a moment."
    remedy = "look at the gateway's container and at `LLM_GATEWAY_URL`"
    advice = 5
    retries = 1
    ends_the_call = True
