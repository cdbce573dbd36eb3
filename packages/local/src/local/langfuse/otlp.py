"""OTLP over HTTP: an export of spans, as protobuf, to plain values."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Ids in hex, times in nanoseconds since 1970, the size in bytes, as it was sent.

    Attributes:
        error: the message of its status, where that is an error; else None.
        resource: what the sender says of itself.
    """

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    error: str | None
    attributes: Attributes
    resource: Attributes
    size: int


def spans_of(body: bytes) -> list[Span]:
    """
    Raises:
        ValueError: it is another protobuf, or none.
    """
    try:
        exported = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise ValueError(f"not an export of spans: {error}") from None
    return [
        span_of(span, attributes_of(each.resource.attributes))
        for each in exported.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]


def span_of(span: trace_pb2.Span, resource: Attributes) -> Span:
    if len(span.trace_id) != 16 or len(span.span_id) != 8:
        raise ValueError("a span without the ids of one")
    return Span(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        error=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
        attributes=attributes_of(span.attributes),
        resource=resource,
        size=span.ByteSize(),
    )


def attributes_of(pairs: Any) -> Attributes:
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(said: AnyValue) -> Any:
    kind = said.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in said.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(said.kvlist_value.values)
    if kind == "bytes_value":
        return said.bytes_value.hex()
    return getattr(said, kind) if kind else None
