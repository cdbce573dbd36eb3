"""Spans on OpenTelemetry's wire (OTLP), made with its own protobuf classes.

A span of a call that is over needs no SDK to be open in: docs/decisions/traces-of-the-service.md.
What many spans have in common is made once, as a mould, and copied.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

NewSpan = Callable[[], Span]
Value = str | bool | int | float | Sequence[str]
INTERNAL, SERVER, CLIENT = Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
MAX_CHARACTERS = 100_000
"""Of one attribute; what is longer is cut."""
MOULDS = 1000
"""So many of a kind are kept."""


def mould(
    name: str,
    kind: "Span.SpanKind.ValueType",
    attributes: Mapping[str, Value | None],
    *,
    failure: str | None = None,
) -> bytes:
    """What spans have in common.

    Args:
        attributes: those that are None are left out.
        failure: what went wrong, if anything did.
    """
    made = Span(name=name, kind=kind)
    if failure is not None:
        made.status.code = Status.STATUS_CODE_ERROR
        made.status.message = failure
    add(made, attributes)
    data: bytes = made.SerializeToString()
    return data


def span(
    new: NewSpan,
    mould: bytes,
    *,
    trace_id: str,
    began: float,
    ended: float,
    span_id: str | None = None,
    parent_id: str | None = None,
    attributes: Mapping[str, Value | None],
) -> None:
    """
    Args:
        new: makes an empty one where it belongs.
        began: in seconds since the epoch, as `ended`.
        span_id: 16 hex digits, as `parent_id`; new ones when not given.
        attributes: those of this span alone; those that are None are left out.
    """
    made = new()
    made.MergeFromString(mould)
    made.trace_id = bytes.fromhex(trace_id)
    made.span_id = secrets.token_bytes(8) if span_id is None else bytes.fromhex(span_id)
    if parent_id is not None:
        made.parent_span_id = bytes.fromhex(parent_id)
    made.start_time_unix_nano = int(began * 1e9)
    made.end_time_unix_nano = int(ended * 1e9)
    add(made, attributes)


def add(made: Span, attributes: Mapping[str, Value | None]) -> None:
    add_one = made.attributes.add
    for key, value in attributes.items():
        if value is None:
            continue
        attribute = add_one()
        attribute.key = key
        if isinstance(value, str):
            attribute.value.string_value = value[:MAX_CHARACTERS]
        elif isinstance(value, bool):
            attribute.value.bool_value = value
        elif isinstance(value, int):
            attribute.value.int_value = value
        elif isinstance(value, float):
            attribute.value.double_value = value
        else:
            for each in value:
                attribute.value.array_value.values.add().string_value = each
