"""A call as OpenTelemetry's conventions for generative AI name it: who was asked, and for how much.

Source: semantic-conventions-genai, whose `gen_ai.*` are in development; prompts and answers are
optional there, and not sent from here at all.
"""

from collections.abc import Mapping

from opentelemetry.sdk.trace import ReadableSpan

from api.llm.attempt import Attempt
from api.llm.observers import CallRecord
from chassis.telemetry.spans import CLIENT, SERVER, SpanFactory, Value
from chassis.trace_context import TraceShare


class GenAiSpans:
    """
    Args:
        service: what the spans say they come from.
        share: of the traces, from 0 to 1; see `TraceShare`.
    """

    wants_text = False

    def __init__(self, service: str, share: float = 1.0) -> None:
        self._spans = SpanFactory(service)
        self._share = TraceShare(share)

    def __call__(self, record: CallRecord) -> list[ReadableSpan]:
        """See `ToSpans`."""
        if not self._share.takes(record.call.trace.trace_id):
            return []
        asked = [attempt for attempt in record.attempts if attempt.request is not None]
        return [self._call(record), *(self._attempt(record, attempt) for attempt in asked)]

    def _call(self, record: CallRecord) -> ReadableSpan:
        call, attribution = record.call, record.call.attribution
        return span_of_call(
            self._spans,
            record,
            {
                "project.id": attribution.project_id,
                "solution": attribution.solution,
                "enduser.id": attribution.user_id,
                "gen_ai.conversation.id": attribution.session_id,
                "gen_ai.request.model": call.models[0],
                "llm.request_id": call.trace.request_id,
                "llm.outcome": record.outcome,
                "llm.attempts": len(record.attempts),
                "error.type": failure_of(record),
            },
        )

    def _attempt(self, record: CallRecord, attempt: Attempt) -> ReadableSpan:
        request, ending = attempt.request, attempt.ending
        assert request is not None, "a skipped model was not asked"  # noqa: S101
        usage = ending.usage if ending else None
        first = None if attempt.first_text is None else attempt.first_text - attempt.began
        return span_of_attempt(
            self._spans,
            record,
            attempt,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "litellm",
                "gen_ai.request.model": attempt.model,
                "gen_ai.request.max_tokens": request.max_tokens,
                "gen_ai.request.temperature": request.options.get("temperature"),
                "gen_ai.request.stream": record.call.streams,
                "gen_ai.response.model": ending.answered_by if ending else None,
                "gen_ai.response.finish_reasons": [ending.finish_reason] if ending else None,
                "gen_ai.response.time_to_first_chunk": first if record.call.streams else None,
                "gen_ai.usage.input_tokens": usage.input_tokens if usage else None,
                "gen_ai.usage.output_tokens": usage.output_tokens if usage else None,
                "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens if usage else None,
                "llm.cost_usd": ending.cost_usd if ending else None,
                "error.type": failure_of(attempt),
            },
        )


def span_of_call(
    spans: SpanFactory, record: CallRecord, attributes: Mapping[str, Value | None]
) -> ReadableSpan:
    """The span of the service, in the caller's trace."""
    return spans.span(
        SERVER,
        name_of(record),
        record.call.trace,
        began=record.began,
        seconds=record.seconds,
        failure=failure_of(record),
        attributes=attributes,
    )


def span_of_attempt(
    spans: SpanFactory,
    record: CallRecord,
    attempt: Attempt,
    attributes: Mapping[str, Value | None],
) -> ReadableSpan:
    """A span below it, for as long as the attempt took."""
    return spans.span(
        CLIENT,
        f"chat {attempt.model}",
        record.call.trace,
        began=record.began + attempt.began,
        seconds=max(0.0, attempt.ended - attempt.began),
        failure=failure_of(attempt),
        attributes=attributes,
    )


def name_of(record: CallRecord) -> str:
    return "llm.stream" if record.call.streams else "llm.complete"


def failure_of(one: CallRecord | Attempt) -> str | None:
    return one.outcome if one.status >= 400 else None
