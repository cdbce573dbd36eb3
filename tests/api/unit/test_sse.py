"""Server-Sent Events in: the same events, however the network cuts their bytes."""

from itertools import combinations, pairwise

import pytest

from api.errors import UpstreamFailed
from api.gateway.sse import MAX_EVENT_BYTES, EventDecoder

SAMPLES: list[tuple[str, bytes, list[bytes]]] = [
    ("lines that end in LF", b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    ("lines that end in CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    ("lines that end in CR", b"data: a\r\rdata: b\r\r:\r", [b"a", b"b"]),
    ("lines that end in all three", b"data: a\r\n\ndata: b\r\r\ndata: c\n\r\n", [b"a", b"b", b"c"]),
    ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    ("a second byte order mark is no field", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    ("comments between events", b": ping\n\ndata: a\n: ping\n\n:\n\n", [b"a"]),
    ("data of several lines", b"data: a\ndata:\ndata: c\n\n", [b"a\n\nc"]),
    ("no space after the colon", b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
    ("names and ids", b"event: x\nid: 7\nretry: 3\ndata: a\nevent: y\n\n", [b"a"]),
    ("fields that only look like data", b"database: a\n data: b\n\n", []),
    ("names and ids without data", b"event: x\nid: 7\n\n", []),
    ("empty lines before and after", b"\n\n\ndata: a\n\n\n\n", [b"a"]),
    ("an event without data", b"data:\n\ndata\n\n", []),
    ("characters of two to four bytes", "data: é€😀\n\n".encode(), ["é€😀".encode()]),
    ("an event that is never completed", b"data: a\n\ndata: b\n", [b"a"]),
    ("a CR inside of a line", b"data: a\rdata: b\n\n", [b"a\nb"]),
]
AS_SAMPLES = pytest.mark.parametrize(
    ("sent", "events"), [row[1:] for row in SAMPLES], ids=[row[0] for row in SAMPLES]
)


def decoded(reads: list[bytes]) -> list[bytes]:
    decoder = EventDecoder()
    return [event for read in reads for event in decoder.feed(read)]


def cut_at(sent: bytes, places: tuple[int, ...]) -> list[bytes]:
    return [sent[start:end] for start, end in pairwise((0, *places, len(sent)))]


@AS_SAMPLES
def test_a_stream_in_one_piece_gives_its_events(sent: bytes, events: list[bytes]) -> None:
    assert decoded([sent]) == events


@AS_SAMPLES
def test_a_stream_cut_anywhere_gives_the_same_events(sent: bytes, events: list[bytes]) -> None:
    for number in (1, 2):
        for places in combinations(range(1, len(sent)), number):
            assert decoded(cut_at(sent, places)) == events, f"cut at {places}"


@AS_SAMPLES
def test_a_stream_of_single_bytes_and_of_nothing_gives_the_same_events(
    sent: bytes, events: list[bytes]
) -> None:
    assert decoded([sent[n : n + 1] for n in range(len(sent))]) == events
    assert decoded([b"", sent[:1], b"", sent[1:], b""]) == events


def test_an_event_is_given_by_the_read_that_completes_it() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\nda") == [b"a"]
    assert decoder.feed(b"ta: b\n\ndata: c\n\n") == [b"b", b"c"]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["one long line", "many lines"])
def test_an_event_larger_than_any_sane_gateway_sends_is_refused(end: bytes) -> None:
    decoder = EventDecoder()
    line = b"data: " + b"x" * (64 * 1024) + end
    with pytest.raises(UpstreamFailed):
        for _ in range(MAX_EVENT_BYTES // (64 * 1024) + 1):
            decoder.feed(line)


def test_many_events_together_may_be_larger_than_one() -> None:
    event = b"data: " + b"x" * (64 * 1024) + b"\n\n"
    decoder = EventDecoder()
    assert sum(len(decoder.feed(event)) for _ in range(64)) == 64
    assert len(decoder.feed(event * 64)) == 64
