"""Server-Sent Events out: typed events to bytes, once, and exactly one terminal event."""

from collections.abc import AsyncGenerator, AsyncIterable

import msgspec

from api.errors import AccessError, InternalError
from api.llm import Deltas, StreamEvent
from api.logs import log
from api.problems import problem
from api.schemas import Done, Meta
from api.tracing import Trace

encode_json = msgspec.json.Encoder().encode


class EventEncoder:
    """Counts the events of one stream and writes them down."""

    def __init__(self) -> None:
        self._id = 0
        self.ended = False
        """Whether the one terminal event was made."""

    def event(self, name: bytes, data: bytes) -> bytes:
        self._id += 1
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (self._id, name, data)

    def encode(self, event: StreamEvent) -> bytes:
        """The bytes of one event, or of all the deltas of one network read together."""
        match event:
            case Deltas(texts):
                return b"".join(
                    self.event(b"delta", b'{"text":%b}' % encode_json(text)) for text in texts
                )
            case Meta():
                return self.event(b"meta", event.model_dump_json().encode())
            case Done():
                self.ended = True
                return self.event(b"done", event.model_dump_json().encode())

    def error(self, error: AccessError, trace: Trace) -> bytes:
        """The `error` event: the same problem object that a JSON answer would be."""
        self.ended = True
        return self.event(b"error", encode_json(problem(error, trace)))


async def encode_events(
    events: AsyncIterable[StreamEvent], encoder: EventEncoder, trace: Trace
) -> AsyncGenerator[bytes]:
    """A stream's events as bytes; a failure becomes the one terminal `error` event."""
    try:
        async for event in events:
            if written := encoder.encode(event):
                yield written
    except AccessError as error:
        yield encoder.error(error, trace)
    except Exception:  # noqa: BLE001 -- the one terminal event is owed for a bug of ours too
        log.exception("stream_failed", request_id=trace.request_id, trace_id=trace.trace_id)
        yield encoder.error(InternalError(), trace)
