"""A call as Langfuse shows it: a span in the request's trace and, where the service records them,
a generation for each attempt.

The attributes are those that Langfuse documents for OTLP; `langfuse.trace.metadata.*` and the tags
are what one can filter by.
"""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from api.errors import BudgetExhausted, GatewayKeyRejected, GatewayUnavailable, ModelNotAllowed
from api.llm.attempt import Attempt
from api.llm.observers import CallRecord
from api.telemetry.spans import name_of, span_of_attempt, span_of_call
from chassis.redaction import redacted
from chassis.telemetry.spans import CLIENT, MOULDS, SERVER, NewSpan, Value, mould

REFUSED = {
    kind.code for kind in (BudgetExhausted, GatewayKeyRejected, GatewayUnavailable, ModelNotAllowed)
}


class LangfuseSpans:
    """
    Args:
        generations: whether the service records them; else the gateway does, and never both.
        content: whether prompts and answers are in them.
    """

    def __init__(self, *, generations: bool, content: bool) -> None:
        self._generations = generations
        self._content = content
        self.wants_text = generations and content

    def __call__(self, call: CallRecord, new: NewSpan) -> None:
        """Makes the spans of a call that is over."""
        self._call(call, new)
        if self._generations:
            for attempt in filter(reached, call.attempts):
                self._generation(call, attempt, new)

    def _call(self, call: CallRecord, new: NewSpan) -> None:
        attribution = call.call.attribution
        why = self._why(call.outcome, call.reason) if call.status >= 400 else None
        span_of_call(
            new,
            call_mould(
                name_of(call),
                attribution.project_id,
                attribution.solution,
                call.outcome,
                call.status,
                call.call.models[0],
                *[f"{each.model}: {each.outcome}" for each in call.attempts],
            ),
            call,
            {
                "langfuse.trace.metadata.request_id": call.call.trace.request_id,
                "user.id": attribution.user_id,
                "session.id": attribution.session_id,
                "langfuse.observation.status_message": why,
            },
        )

    def _generation(self, call: CallRecord, attempt: Attempt, new: NewSpan) -> None:
        asked, ending = attempt.request, attempt.ending
        assert asked is not None, "a skipped model was not asked"  # noqa: S101
        attribution = call.call.attribution
        cost = ending.cost_usd if ending else None
        why = self._why(attempt.outcome, attempt.reason) if attempt.status >= 400 else None
        attributes: dict[str, Value | None] = {
            "user.id": attribution.user_id,
            "session.id": attribution.session_id,
            "langfuse.observation.usage_details": as_json(usage_of(attempt)),
            "langfuse.observation.cost_details": as_json(None if cost is None else {"total": cost}),
            "langfuse.observation.completion_start_time": moment(call, attempt.first_text),
            "langfuse.observation.status_message": why,
            "langfuse.observation.metadata.usage_is_estimated": is_estimated(attempt) or None,
        }
        if self._content:
            attributes["langfuse.observation.input"] = as_json(list(asked.messages))
            attributes["langfuse.observation.output"] = "".join(attempt.text) or None
        span_of_attempt(
            new,
            generation_mould(
                name_of(call),
                attribution.project_id,
                attribution.solution,
                attempt.model,
                (ending.answered_by if ending else None) or attempt.model,
                attempt.outcome,
                attempt.status,
                asked.max_tokens,
                asked.options.get("temperature"),
            ),
            call,
            attempt,
            attributes,
        )

    def _why(self, outcome: str, reason: str) -> str:
        """The reason may hold a provider's words, and those the prompt's, or a key."""
        return redacted(reason) if self._content and reason else outcome


def reached(attempt: Attempt) -> bool:
    """Whether it may have got to a provider: not where the gateway refused, or was not there."""
    return attempt.request is not None and attempt.outcome not in REFUSED


@lru_cache(MOULDS)
def call_mould(
    name: str,
    project: str,
    solution: str,
    outcome: str,
    status: int,
    requested_model: str,
    *attempts: str,
) -> bytes:
    failed = status >= 400
    level = "ERROR" if failed else "DEFAULT" if outcome == "complete" else "WARNING"
    attributes = of_trace(name, project, solution) | {
        "langfuse.observation.type": "span",
        "langfuse.observation.level": level,
        "langfuse.observation.metadata.outcome": outcome,
        "langfuse.observation.metadata.requested_model": requested_model,
        "langfuse.observation.metadata.attempts": attempts,
    }
    return mould(name, SERVER, attributes, failure=outcome if failed else None)


@lru_cache(MOULDS)
def generation_mould(
    name: str,
    project: str,
    solution: str,
    alias: str,
    model: str,
    outcome: str,
    status: int,
    max_tokens: int,
    temperature: float | None,
) -> bytes:
    failed = status >= 400
    given = {"max_tokens": max_tokens, "temperature": temperature}
    parameters = {name: value for name, value in given.items() if value is not None}
    attributes = of_trace(name, project, solution) | {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": model,
        "langfuse.observation.model.parameters": as_json(parameters),
        "langfuse.observation.level": "ERROR" if failed else "DEFAULT",
        "langfuse.observation.metadata.alias": alias,
        "langfuse.observation.metadata.outcome": outcome,
    }
    return mould(f"chat {alias}", CLIENT, attributes, failure=outcome if failed else None)


def of_trace(name: str, project: str, solution: str) -> dict[str, Value | None]:
    """What one filters by; on each span, for Langfuse may look at any of them."""
    return {
        "langfuse.trace.name": name,
        "langfuse.trace.tags": [f"project:{project}", f"solution:{solution}"],
        "langfuse.trace.metadata.project_id": project,
        "langfuse.trace.metadata.solution": solution,
    }


def usage_of(attempt: Attempt) -> dict[str, int] | None:
    """The provider's count or, where an answer was broken off, what came of it so far."""
    if attempt.ending is not None and (usage := attempt.ending.usage) is not None:
        counted = {"input": usage.input_tokens, "output": usage.output_tokens}
        reasoning = usage.reasoning_tokens
        return counted | ({"output_reasoning": reasoning} if reasoning else {})
    return {"output": attempt.pieces} if is_estimated(attempt) else None


def is_estimated(attempt: Attempt) -> bool:
    """Whether the tokens are not counted by the provider but are the pieces that came here."""
    return attempt.pieces > 0 and (attempt.ending is None or attempt.ending.usage is None)


def moment(call: CallRecord, seconds: float | None) -> str | None:
    """ISO 8601, as Langfuse takes it."""
    if seconds is None:
        return None
    return as_json(datetime.fromtimestamp(call.began + seconds, UTC).isoformat())


def as_json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
