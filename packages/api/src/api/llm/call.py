"""One call as it was asked, before any attempt, and what its answer says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.gateway.attribution import Attribution
from api.gateway.chat_client import ChatRequest, Ending, Message
from api.schemas import AttemptReport, Status, Usage
from chassis.trace_context import Trace


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was asked, before any attempt."""

    models: tuple[str, ...]
    messages: Sequence[Message]
    max_tokens: int
    temperature: float | None
    attribution: Attribution
    trace: Trace
    deadline: float

    def facts(self) -> dict[str, Any]:
        """What every answer to this question says of it."""
        return {
            "requested_model": self.models[0],
            "project_id": self.attribution.project_id,
            "solution": self.attribution.solution,
            "trace_id": self.trace.trace_id,
            "request_id": self.trace.request_id,
        }

    def logged(self) -> dict[str, Any]:
        """The same for the operator, with the one who asked."""
        user_id = self.attribution.user_id
        return self.facts() | ({} if user_id is None else {"user_id": user_id})

    def call(self, alias: str, *, at_least: int, gateway_falls_back: bool) -> ChatRequest:
        """What is asked of this model, with a floor for `max_tokens`."""
        return ChatRequest(
            alias=alias,
            messages=self.messages,
            max_tokens=max(self.max_tokens, at_least),
            temperature=self.temperature,
            attribution=self.attribution,
            traceparent=self.trace.traceparent,
            deadline=self.deadline,
            gateway_falls_back=gateway_falls_back,
        )

    def done(
        self, call: ChatRequest, ending: Ending, receipt: list[AttemptReport], *, has_text: bool
    ) -> dict[str, Any]:
        """The fields of `Done` for an answer that ended like this."""
        usage = ending.usage
        return self.facts() | {
            "model": call.alias,
            "status": status_of(ending.finish_reason, has_text=has_text),
            "finish_reason": ending.finish_reason,
            "max_tokens": call.max_tokens,
            "usage": usage and Usage.model_validate(usage, from_attributes=True),
            "cost_usd": ending.cost_usd,
            "attempts": receipt,
        }


def alias_of(model: str) -> str:
    """The gateway's name of a model: `openai/` only says which wire format to use."""
    return model.removeprefix("openai/")


def status_of(finish_reason: str, *, has_text: bool) -> Status:
    """How honest an answer can be about itself; an empty one is never a silent success.

    Complete is what the model ended by itself: with `length` it was cut off, with `tool_calls` it
    wants to go on with a tool, and of what we do not know we cannot say that it is whole.
    """
    if finish_reason == "content_filter":
        return "filtered"
    if not has_text:
        return "empty"
    return "complete" if finish_reason == "stop" else "truncated"
