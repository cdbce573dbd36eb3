"""The spans of a call and of its attempts."""

from collections.abc import Mapping

from api.llm.attempt import Attempt
from api.llm.observers import CallRecord
from chassis.telemetry.spans import NewSpan, Value, span


def span_of_call(
    new: NewSpan, mould: bytes, call: CallRecord, attributes: Mapping[str, Value | None]
) -> None:
    """The span of the service, in the caller's trace."""
    trace = call.call.trace
    span(
        new,
        mould,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_id=trace.parent_id,
        began=call.began,
        ended=call.began + call.seconds,
        attributes=attributes,
    )


def span_of_attempt(
    new: NewSpan,
    mould: bytes,
    call: CallRecord,
    attempt: Attempt,
    attributes: Mapping[str, Value | None],
) -> None:
    """A span below it, for as long as the attempt took."""
    span(
        new,
        mould,
        trace_id=call.call.trace.trace_id,
        parent_id=call.call.trace.span_id,
        began=call.began + attempt.began,
        ended=call.began + max(attempt.began, attempt.ended),
        attributes=attributes,
    )


def name_of(call: CallRecord) -> str:
    return "llm.stream" if call.call.streams else "llm.complete"
