"""The gateway's bytes to an answer: what it says, how it ended, what it cost, or why it is none."""

import json
from typing import Any

import pytest

from api.errors import (
    BudgetExhausted,
    GatewayError,
    GatewayTimeout,
    RateLimited,
    UpstreamFailed,
)
from api.gateway.chat_client import ChatRead, Ending, TokenUsage
from api.gateway.chat_format import BOOKED_HEADER, COST_HEADER, StreamDecoder, decode_reply

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "completion_tokens_details": {"reasoning_tokens": 3},
}
TOKENS = TokenUsage(11, 7, 3, 18)
NOT_UTF8 = b'{"choices": [{"delta": {"content": "\xff"}, "message": {"content": "\xff"}}]}'
TOO_DEEP = b'{"more": ' + b"[" * 100_000
BROKEN = [
    b"null",
    b"[]",
    b"{",
    b"<html>",
    b'"text"',
    b'{"choices": null}',
    b'{"choices": [null]}',
    b'{"choices": "none"}',
    b'{"choices": [{"finish_reason": 7}]}',
    b'{"choices": [{"message": {"content": 7}, "delta": {"content": 7}}]}',
    b'{"choices": [{"message": {"content": "\\ud800"}, "delta": {"content": "\\ud800"}}]}',
    pytest.param(NOT_UTF8, id="not UTF-8"),
    pytest.param(TOO_DEEP, id="nested without end"),
]


def whole(
    text: str | None = "Paris", finish: str | None = "stop", usage: Any = USAGE, **more: Any
) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    body = {"choices": [choice | {"finish_reason": finish}], "usage": usage}
    return json.dumps(body | more).encode()


def event(**chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish}])


ROLE = delta(role="assistant", content="")
STOP = delta("stop")
DONE = b"data: [DONE]\n\n"


def ending_of(*reads: bytes, headers: dict[str, str] | None = None) -> Ending:
    """The ending of a stream that is read to its end."""
    decoder = StreamDecoder(headers or {})
    for read in reads:
        if (brought := decoder.feed(read)) is not None and brought.ending is not None:
            return brought.ending
    return decoder.ending()


def test_a_whole_answer_says_what_how_and_for_how_much() -> None:
    headers = {COST_HEADER: "0.025", BOOKED_HEADER: "demo"}
    reply = decode_reply(whole("Paris", "length"), headers)
    assert reply.text == "Paris"
    assert reply.ending == Ending("length", TOKENS, 0.025, "demo")


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"role": "assistant", "content": None}},
        {"message": {"role": "assistant"}},
        {"message": {"content": ""}},
        {"message": None},
        {},
    ],
)
def test_a_whole_answer_without_text_is_an_empty_one(choice: dict[str, Any]) -> None:
    body = json.dumps({"choices": [choice | {"finish_reason": "length"}]}).encode()
    assert decode_reply(body, {}).text == ""


@pytest.mark.parametrize("body", [*BROKEN, b"", b"{}", b'{"choices": []}', b'{"error": {}}'])
def test_what_is_not_a_completion_is_the_providers_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        decode_reply(body, {})


@pytest.mark.parametrize("finish", [None, ""])
def test_an_answer_that_does_not_say_how_it_finished_is_not_believed(finish: str | None) -> None:
    with pytest.raises(UpstreamFailed, match="finish_reason"):
        decode_reply(whole(finish=finish), {})
    with pytest.raises(UpstreamFailed, match="finish_reason"):
        ending_of(ROLE, delta(finish, content="Par"), DONE)


@pytest.mark.parametrize(
    ("header", "in_usage", "cost"),
    [
        ("0.025", None, 0.025),
        ("1.1e-05", None, 0.000011),
        (None, 0.029, 0.029),
        ("0.025", 0.029, 0.025),
        ("0", 0.029, 0.029),
        ("0.0", 0, None),
        ("", None, None),
        (None, None, None),
        ("None", None, None),
        ("a lot", 0.029, 0.029),
        ("nan", None, None),
        ("inf", None, None),
        ("-1", None, None),
        (None, -1, None),
    ],
)
def test_the_price_is_the_gateways_and_one_it_does_not_know_is_none(
    header: str | None, in_usage: float | None, cost: float | None
) -> None:
    headers = {} if header is None else {COST_HEADER: header}
    usage = USAGE | {"cost": in_usage}
    assert decode_reply(whole(usage=usage), headers).ending.cost_usd == cost


@pytest.mark.parametrize(("in_usage", "cost"), [(0.029, 0.029), (0, None), (None, None)])
def test_the_price_of_a_stream_is_in_its_usage_and_its_headers_come_too_early(
    in_usage: float | None, cost: float | None
) -> None:
    counted = event(choices=[], usage=USAGE | {"cost": in_usage})
    assert ending_of(STOP, counted, DONE, headers={COST_HEADER: "0.5"}).cost_usd == cost


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (USAGE, TOKENS),
        (USAGE | {"total_tokens": 99}, TOKENS),
        ({"prompt_tokens": 11, "completion_tokens": 7}, TokenUsage(11, 7, 0, 18)),
        (USAGE | {"completion_tokens_details": None}, TokenUsage(11, 7, 0, 18)),
        (USAGE | {"completion_tokens_details": {}}, TokenUsage(11, 7, 0, 18)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, TokenUsage(0, 0, 0, 0)),
        ({"prompt_tokens": 11}, None),
        (USAGE | {"completion_tokens": None}, None),
        (USAGE | {"prompt_tokens": -1}, None),
        (USAGE | {"completion_tokens": -1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage_is_what_was_counted_or_nothing_but_never_made_up(
    usage: dict[str, Any] | None, tokens: TokenUsage | None
) -> None:
    assert decode_reply(whole(usage=usage), {}).ending.usage == tokens
    assert ending_of(STOP, event(choices=[], usage=usage), DONE).usage == tokens


def test_a_stream_is_a_role_then_deltas_then_how_it_finished_then_usage() -> None:
    decoder = StreamDecoder({BOOKED_HEADER: "demo"})
    assert decoder.feed(ROLE) == ChatRead([]), "no text, but the gateway answers"
    assert decoder.feed(delta(content="Par")) == ChatRead(["Par"])
    assert decoder.feed(delta(content="is") + delta(content=".")) == ChatRead(["is", "."])
    assert decoder.feed(STOP) == ChatRead([])
    assert decoder.feed(event(choices=[], usage=USAGE)) == ChatRead([])
    assert decoder.feed(DONE) == ChatRead([], Ending("stop", TOKENS, None, "demo"))


def test_a_whole_stream_in_one_read_is_one_read() -> None:
    decoder = StreamDecoder({})
    stream = ROLE + delta(content="Par") + delta("stop", content="is") + DONE
    assert decoder.feed(stream) == ChatRead(["Par", "is"], Ending("stop", None, None))


def test_half_an_event_is_no_read() -> None:
    decoder = StreamDecoder({})
    half = delta(content="Paris")
    assert decoder.feed(half[:20]) is None
    assert decoder.feed(b"") is None
    assert decoder.feed(half[20:]) == ChatRead(["Paris"])


def test_a_character_cut_in_two_by_the_network_is_whole_in_the_text() -> None:
    piece = 'data: {"choices": [{"delta": {"content": "é😀"}}]}\n\n'.encode()
    for place in range(1, len(piece)):
        decoder = StreamDecoder({})
        reads = [decoder.feed(piece[:place]), decoder.feed(piece[place:])]
        assert [text for read in reads if read for text in read.texts] == ["é😀"]


@pytest.mark.parametrize(
    "counted",
    [
        event(choices=[], usage=USAGE),
        event(usage=USAGE),
        event(choices=[{"index": 0, "delta": {}}], usage=USAGE),
        event(choices=[], usage=USAGE) + event(choices=[], usage=None),
    ],
    ids=["no choices", "choices left out", "an empty choice", "another chunk after it"],
)
def test_the_usage_of_a_stream_comes_with_choices_or_without(counted: bytes) -> None:
    assert ending_of(STOP, counted, DONE).usage == TOKENS


@pytest.mark.parametrize("content", [None, ""])
def test_a_delta_without_text_is_not_a_text(content: str | None) -> None:
    assert StreamDecoder({}).feed(delta(content=content)) == ChatRead([])


def test_what_comes_after_done_is_not_read() -> None:
    decoder = StreamDecoder({})
    assert decoder.feed(STOP + DONE + b"data: {\n\n") == ChatRead([], Ending("stop", None, None))


def test_a_stream_that_closes_without_done_has_ended_if_it_said_how() -> None:
    assert ending_of(ROLE, delta("length", content="Par")) == Ending("length", None, None)


@pytest.mark.parametrize("last", [DONE, b""], ids=["with DONE", "without"])
def test_a_stream_that_does_not_say_how_it_finished_was_cut(last: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="finish_reason"):
        ending_of(ROLE, delta(content="Par"), last)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "litellm.APIConnectionError: cut", "code": "500"}, UpstreamFailed),
        ({"message": "litellm.RateLimitError: slow down", "code": "429"}, RateLimited),
        ({"message": "litellm.Timeout: too slow", "code": 408}, GatewayTimeout),
        ({"message": "over", "type": "budget_exceeded"}, BudgetExhausted),
        ({"message": None, "type": None, "code": None}, UpstreamFailed),
        ({}, UpstreamFailed),
        ("in words", UpstreamFailed),
        ([], UpstreamFailed),
    ],
)
def test_an_error_in_the_stream_is_raised_as_what_it_is(
    error: Any, kind: type[GatewayError]
) -> None:
    decoder = StreamDecoder({})
    decoder.feed(ROLE)
    with pytest.raises(kind) as raised:
        decoder.feed(delta(content="Par") + event(error=error))
    assert type(raised.value) is kind


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_not_a_chunk_is_the_providers_failure(data: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        StreamDecoder({}).feed(b"data: " + data + b"\n\n")
