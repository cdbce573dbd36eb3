"""A call as OpenTelemetry's conventions for generative AI name it: who was asked, and for how much.

Source: semantic-conventions-genai, whose `gen_ai.*` are in development; prompts and answers are
optional there, and not sent from here at all.
"""

from functools import lru_cache

from api.llm.attempt import Attempt
from api.llm.observers import CallRecord
from api.telemetry.spans import name_of, span_of_attempt, span_of_call
from chassis.telemetry.spans import CLIENT, MOULDS, SERVER, NewSpan, Value, mould
from chassis.trace_context import TraceShare


class GenAiSpans:
    """
    Args:
        share: of the traces, from 0 to 1; see `TraceShare`.
    """

    wants_text = False

    def __init__(self, share: float = 1.0) -> None:
        self._share = TraceShare(share)

    def __call__(self, call: CallRecord, new: NewSpan) -> None:
        """Makes the spans of a call that is over."""
        if not self._share.takes(call.call.trace.trace_id):
            return
        of_call(call, new)
        for attempt in call.attempts:
            if attempt.request is not None:
                of_attempt(call, attempt, new)


def of_call(call: CallRecord, new: NewSpan) -> None:
    question, attribution = call.call, call.call.attribution
    span_of_call(
        new,
        call_mould(
            name_of(call),
            attribution.project_id,
            attribution.solution,
            question.models[0],
            call.outcome,
            call.status,
            len(call.attempts),
        ),
        call,
        {
            "enduser.id": attribution.user_id,
            "gen_ai.conversation.id": attribution.session_id,
            "llm.request_id": question.trace.request_id,
        },
    )


def of_attempt(call: CallRecord, attempt: Attempt, new: NewSpan) -> None:
    asked, ending = attempt.request, attempt.ending
    assert asked is not None, "a skipped model was not asked"  # noqa: S101
    usage = ending.usage if ending else None
    first = None if attempt.first_text is None else attempt.first_text - attempt.began
    span_of_attempt(
        new,
        attempt_mould(
            attempt.model,
            asked.max_tokens,
            asked.options.get("temperature"),
            call.call.streams,
            ending.answered_by if ending else None,
            ending.finish_reason if ending else None,
            attempt.outcome,
            attempt.status,
        ),
        call,
        attempt,
        {
            "gen_ai.response.time_to_first_chunk": first if call.call.streams else None,
            "gen_ai.usage.input_tokens": usage.input_tokens if usage else None,
            "gen_ai.usage.output_tokens": usage.output_tokens if usage else None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens if usage else None,
            "llm.cost_usd": ending.cost_usd if ending else None,
        },
    )


@lru_cache(MOULDS)
def call_mould(
    name: str,
    project: str,
    solution: str,
    requested_model: str,
    outcome: str,
    status: int,
    attempts: int,
) -> bytes:
    failure = outcome if status >= 400 else None
    attributes: dict[str, Value | None] = {
        "project.id": project,
        "solution": solution,
        "gen_ai.request.model": requested_model,
        "llm.outcome": outcome,
        "llm.attempts": attempts,
        "error.type": failure,
    }
    return mould(name, SERVER, attributes, failure=failure)


@lru_cache(MOULDS)
def attempt_mould(
    alias: str,
    max_tokens: int,
    temperature: float | None,
    streams: bool,
    answered_by: str | None,
    finish_reason: str | None,
    outcome: str,
    status: int,
) -> bytes:
    failure = outcome if status >= 400 else None
    attributes: dict[str, Value | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "litellm",
        "gen_ai.request.model": alias,
        "gen_ai.request.max_tokens": max_tokens,
        "gen_ai.request.temperature": temperature,
        "gen_ai.request.stream": streams,
        "gen_ai.response.model": answered_by,
        "gen_ai.response.finish_reasons": None if finish_reason is None else [finish_reason],
        "error.type": failure,
    }
    return mould(f"chat {alias}", CLIENT, attributes, failure=failure)
