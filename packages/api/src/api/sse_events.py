"""Server-Sent Events out: typed events to bytes, once, and exactly one terminal event."""

import msgspec

from api.llm.client import Deltas, StreamEvent
from api.schemas import Done, Meta
from chassis.errors import ServiceError
from chassis.problems import problem
from chassis.trace_context import Trace

encode_json = msgspec.json.Encoder().encode


class EventEncoder:
    """Counts the events of one stream and writes them down."""

    def __init__(self) -> None:
        self.last_id = 0
        self.ended = False
        """Whether the one terminal event was made."""

    def event(self, name: bytes, data: bytes) -> bytes:
        self.last_id += 1
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (self.last_id, name, data)

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

    def error(self, error: ServiceError, trace: Trace) -> bytes:
        """The `error` event: the same problem object that a JSON answer would be."""
        self.ended = True
        return self.event(b"error", encode_json(problem(error, trace)))
