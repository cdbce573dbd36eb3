"""Whatever bytes come, however they are cut: the events of the standard, or an error of ours."""

import json
import math
from collections.abc import Callable
from datetime import UTC
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.errors import GatewayError, UpstreamFailed
from api.gateway.chat_format import StreamDecoder, decode_reply
from api.gateway.error_table import error_of_body, retry_after
from api.gateway.sse import MAX_EVENT_BYTES, EventDecoder

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=300, database=None)
BOM = "\ufeff"


def events_of(stream: bytes) -> list[str]:
    """WHATWG HTML, section 9.2.6, as it is written there, but for events without data: no chunk of
    ours is empty, so those are left out."""
    text = stream.decode().removeprefix(BOM)
    events, data = [], ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        if line == "":
            if data.removesuffix("\n"):
                events.append(data.removesuffix("\n"))
            data = ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            if field == "data":
                data += value.removeprefix(" ") + "\n"
    return events


def decoded(reads: list[bytes]) -> list[bytes]:
    decoder = EventDecoder()
    return [event for read in reads for event in decoder.feed(read)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(stream) + 1) for place in places)
    return [stream[start:end] for start, end in pairwise((0, *ends, len(stream)))]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
NAMES = st.sampled_from(["data", "data:", "data: ", "data:  ", "event: ", "id:", ":", "dat", "x: "])
VALUES = st.one_of(
    st.just(""),
    st.text(max_size=8).map(lambda text: text.replace("\r", "").replace("\n", "")),
    st.sampled_from(["[DONE]", '{"choices": []}', "é€😀", BOM, " "]),
)
LINES = st.one_of(st.just(""), st.tuples(NAMES, VALUES).map("".join))
STREAMS = st.tuples(
    st.sampled_from(["", BOM, BOM + BOM]),
    st.lists(st.tuples(LINES, LINE_ENDS).map("".join), max_size=20).map("".join),
    LINES,
).map(lambda parts: "".join(parts).encode())
PIECES = st.sampled_from(
    b'data:|data| |\r|\n|\r\n|\n\n|\xef\xbb\xbf|\xef|:|[|[DONE]|{"error":{}}|"finish_reason"|'
    b'{"choices":[{"delta":{"content":"a"}}]}'.split(b"|")
)
BYTES = st.one_of(
    st.binary(max_size=60),
    st.lists(PIECES | st.binary(max_size=4), max_size=30).map(b"".join),
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([1e30, -1, 10**400, 2**63])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def of_fields(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields) | JSON


ERROR = of_fields(
    message=JSON | st.text(), type=JSON, code=JSON | st.text("0123456789", max_size=5)
)
USAGE = of_fields(
    prompt_tokens=JSON,
    completion_tokens=NUMBERS,
    cost=JSON,
    completion_tokens_details=of_fields(reasoning_tokens=JSON),
)
TEXT = of_fields(content=st.none() | st.text(max_size=5) | JSON)
CHOICE = of_fields(message=TEXT, delta=TEXT, finish_reason=st.just("stop") | JSON)
ANSWER = of_fields(choices=st.lists(CHOICE, max_size=2) | JSON, usage=USAGE, error=ERROR)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-litellm-response-cost", "x-litellm-model-name"]), st.text()
)


def only_our_errors(made: Callable[[], Any]) -> Any:
    """What was made, or None when it failed with an error of ours; any other one is raised."""
    try:
        return made()
    except GatewayError:
        return None


@REPEATABLE
@given(STREAMS, PLACES)
def test_any_stream_cut_anywhere_gives_the_events_of_the_standard(
    stream: bytes, places: list[int]
) -> None:
    expected = [event.encode() for event in events_of(stream)]
    assert decoded([stream]) == expected
    assert decoded(cut(stream, places)) == expected
    assert decoded([stream[n : n + 1] for n in range(len(stream))]) == expected


@REPEATABLE
@given(BYTES, PLACES)
def test_any_bytes_cut_anywhere_give_the_same_events(stream: bytes, places: list[int]) -> None:
    assert decoded(cut(stream, places)) == decoded([stream])


@pytest.mark.parametrize("line", [b"data: x\n", b"data\n", b"data:\n", b"x", b": "])
def test_an_event_without_end_is_refused_at_the_same_size_however_it_is_cut(line: bytes) -> None:
    stream = line * (MAX_EVENT_BYTES + 1)
    for size in (1024, 100_000, len(stream)):
        decoder = EventDecoder()
        with pytest.raises(UpstreamFailed, match="too large"):
            for start in range(0, len(stream), size):
                decoder.feed(stream[start : start + size])


def test_a_line_in_a_million_reads_costs_no_more_than_its_bytes() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: ") == []
    for _ in range(MAX_EVENT_BYTES - 6):
        decoder.feed(b"x")
    (event,) = decoder.feed(b"\n\n")
    assert len(event) == MAX_EVENT_BYTES - 6


@REPEATABLE
@given(BYTES, PLACES, HEADERS)
def test_any_bytes_are_a_stream_or_an_error_of_ours(
    stream: bytes, places: list[int], headers: dict[str, str]
) -> None:
    decoder = StreamDecoder(headers)
    only_our_errors(lambda: [decoder.feed(read) for read in cut(stream, places)])
    only_our_errors(decoder.ending)


@REPEATABLE
@given(BYTES, HEADERS, st.integers(100, 999))
def test_any_bytes_are_an_answer_or_an_error_of_ours(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    only_our_errors(lambda: decode_reply(body, headers))
    assert isinstance(error_of_body(status, body, headers), GatewayError)


@REPEATABLE
@given(ANSWER, HEADERS, st.integers(100, 999))
def test_any_json_is_an_answer_a_chunk_or_an_error_of_ours(
    value: Any, headers: dict[str, str], status: int
) -> None:
    body = json.dumps(value).encode()
    reply = only_our_errors(lambda: decode_reply(body, headers))
    decoder = StreamDecoder(headers)
    only_our_errors(lambda: decoder.feed(b"data: " + body + b"\n\n"))
    endings = [reply and reply.ending, only_our_errors(decoder.ending)]
    for ending in filter(None, endings):
        assert ending.finish_reason
        assert ending.cost_usd is None or 0 < ending.cost_usd < math.inf
        assert (
            ending.usage is None or min(ending.usage.input_tokens, ending.usage.output_tokens) >= 0
        )
        assert ending.usage is None or ending.usage.reasoning_tokens >= 0
    assert isinstance(error_of_body(status, body, headers), GatewayError)


DATES = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S "))
ZONES = st.sampled_from(["GMT", "-2359", "+2359", "-0000", "EST", "+99999999", ""])


@REPEATABLE
@given(
    st.text()
    | st.from_regex(r"\A[-+ ]?[0-9]{0,12}(\.[0-9]+|e[0-9]+)?\s?\Z")
    | st.tuples(DATES, ZONES).map("".join),
    st.sampled_from(["retry-after", "llm_provider-retry-after"]),
)
def test_any_time_to_come_back_is_none_or_a_number_of_seconds(value: str, name: str) -> None:
    seconds = retry_after({name: value})
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
