"""A call as Langfuse shows it: a span in the request's trace and, where the service records them,
a generation for each attempt. The metadata of the trace and its tags are what one can filter by.
"""

from datetime import UTC, datetime

import msgspec
from langfuse import LangfuseOtelSpanAttributes as Name
from opentelemetry.sdk.trace import ReadableSpan

from api.errors import BudgetExhausted, GatewayKeyRejected, GatewayUnavailable, ModelNotAllowed
from api.llm.attempt import Attempt
from api.llm.observers import CallRecord
from api.telemetry.call_spans import name_of, span_of_attempt, span_of_call
from chassis.redaction import redacted
from chassis.telemetry.spans import SpanFactory, Value

REFUSED = {
    kind.code for kind in (BudgetExhausted, GatewayKeyRejected, GatewayUnavailable, ModelNotAllowed)
}


class LangfuseSpans:
    """
    Args:
        service: what the spans say they come from.
        generations: whether the service records them; else the gateway does, and never both.
        content: whether prompts and answers are in them.
    """

    def __init__(self, service: str, *, generations: bool, content: bool) -> None:
        self._spans = SpanFactory(service)
        self._generations = generations
        self._content = content
        self.wants_text = generations and content

    def __call__(self, record: CallRecord) -> list[ReadableSpan]:
        """See `ToSpans`."""
        asked = filter(reached, record.attempts) if self._generations else ()
        return [self._call(record), *(self._generation(record, attempt) for attempt in asked)]

    def _call(self, record: CallRecord) -> ReadableSpan:
        failed = record.status >= 400
        level = "ERROR" if failed else "DEFAULT" if record.outcome == "complete" else "WARNING"
        attempts = [f"{each.model}: {each.outcome}" for each in record.attempts]
        return span_of_call(
            self._spans,
            record,
            of_trace(record)
            | {
                f"{Name.TRACE_METADATA}.request_id": record.call.trace.request_id,
                Name.OBSERVATION_TYPE: "span",
                Name.OBSERVATION_LEVEL: level,
                Name.OBSERVATION_STATUS_MESSAGE: self._why(record),
                f"{Name.OBSERVATION_METADATA}.outcome": record.outcome,
                f"{Name.OBSERVATION_METADATA}.requested_model": record.call.models[0],
                f"{Name.OBSERVATION_METADATA}.attempts": attempts,
            },
        )

    def _generation(self, record: CallRecord, attempt: Attempt) -> ReadableSpan:
        request, ending = attempt.request, attempt.ending
        assert request is not None, "a skipped model was not asked"  # noqa: S101
        temperature = request.options.get("temperature")
        parameters = {"max_tokens": request.max_tokens} | (
            {} if temperature is None else {"temperature": temperature}
        )
        cost = ending.cost_usd if ending else None
        attributes = of_trace(record) | {
            Name.OBSERVATION_TYPE: "generation",
            Name.OBSERVATION_MODEL: (ending.answered_by if ending else None) or attempt.model,
            Name.OBSERVATION_MODEL_PARAMETERS: as_json(parameters),
            Name.OBSERVATION_LEVEL: "ERROR" if attempt.status >= 400 else "DEFAULT",
            Name.OBSERVATION_STATUS_MESSAGE: self._why(attempt),
            Name.OBSERVATION_USAGE_DETAILS: as_json(usage_of(attempt)),
            Name.OBSERVATION_COST_DETAILS: as_json(None if cost is None else {"total": cost}),
            Name.OBSERVATION_COMPLETION_START_TIME: moment(record, attempt.first_text),
            f"{Name.OBSERVATION_METADATA}.alias": attempt.model,
            f"{Name.OBSERVATION_METADATA}.outcome": attempt.outcome,
            f"{Name.OBSERVATION_METADATA}.usage_is_estimated": is_estimated(attempt) or None,
        }
        if self._content:
            attributes[Name.OBSERVATION_INPUT] = as_json(list(request.messages))
            attributes[Name.OBSERVATION_OUTPUT] = "".join(attempt.text) or None
        return span_of_attempt(self._spans, record, attempt, attributes)

    def _why(self, one: CallRecord | Attempt) -> str | None:
        """The reason may hold a provider's words, and those the prompt's, or a key."""
        if one.status < 400:
            return None
        return redacted(one.reason) if self._content and one.reason else one.outcome


def reached(attempt: Attempt) -> bool:
    """Whether it may have got to a provider: not where the gateway refused, or was not there."""
    return attempt.request is not None and attempt.outcome not in REFUSED


def of_trace(record: CallRecord) -> dict[str, Value | None]:
    """What one filters by; on each span, for Langfuse may look at any of them."""
    attribution = record.call.attribution
    project, solution = attribution.project_id, attribution.solution
    return {
        Name.TRACE_NAME: name_of(record),
        Name.TRACE_TAGS: [f"project:{project}", f"solution:{solution}"],
        Name.TRACE_USER_ID: attribution.user_id,
        Name.TRACE_SESSION_ID: attribution.session_id,
        f"{Name.TRACE_METADATA}.project_id": project,
        f"{Name.TRACE_METADATA}.solution": solution,
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


def moment(record: CallRecord, seconds: float | None) -> str | None:
    """ISO 8601, as Langfuse takes it."""
    if seconds is None:
        return None
    return as_json(datetime.fromtimestamp(record.began + seconds, UTC).isoformat())


def as_json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
