"""One call: what was asked, for whom, and until when. It is the same for all of its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.gateway.attribution import Attribution
from api.gateway.chat_client import ChatRequest
from api.llm.retry_policy import MAX_CALLS
from api.schemas import CompletionOptions, Message
from chassis.trace_context import Trace


@dataclass(frozen=True, slots=True)
class Call:
    """
    Attributes:
        models: aliases of the gateway: the requested model, then its fallbacks in order.
        deadline: in the running loop's time, in seconds.
        streams: whether the answer is given as it comes.
        max_calls: to providers, at most.
    """

    models: tuple[str, ...]
    messages: Sequence[Message]
    options: CompletionOptions
    max_tokens: int
    attribution: Attribution
    trace: Trace
    deadline: float
    streams: bool
    max_calls: int = MAX_CALLS

    def facts(self) -> dict[str, Any]:
        """What every answer to this call says of it."""
        return {
            "requested_model": self.models[0],
            "project_id": self.attribution.project_id,
            "solution": self.attribution.solution,
            "trace_id": self.trace.trace_id,
            "request_id": self.trace.request_id,
        }

    def request(self, alias: str, *, max_tokens: int, gateway_falls_back: bool) -> ChatRequest:
        """What one attempt asks this model."""
        return ChatRequest(
            alias=alias,
            messages=self.messages,
            options=self.options,
            max_tokens=max_tokens,
            attribution=self.attribution,
            traceparent=self.trace.traceparent,
            deadline=self.deadline,
            gateway_falls_back=gateway_falls_back,
        )


def alias_of(model: str) -> str:
    """The gateway's name of a model: `openai/` only says which wire format to use."""
    return model.removeprefix("openai/")
