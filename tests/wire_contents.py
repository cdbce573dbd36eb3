"""Answers that came whole and are not what they should be, by name."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from wire_parts import (
    DONE,
    EVENTS,
    MEGABYTE,
    PIECES,
    SECRET,
    SOON,
    TEXT,
    USAGE,
    Fault,
    answer,
    changed,
    chunk,
    deltas,
    encoded,
    ending,
    events,
    head,
    in_stream,
    of_answer,
    one_by_one,
    problem,
    refused,
    sized,
    streamed,
)

TOOL = {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "f"}}]}

CONTENT = {
    "valid": of_answer(answer(), events()),
    "invalid-json": of_answer(b'{"choices": [', b'data: {"choices": [\n\n' + DONE),
    "json-of-something-else": of_answer(b'"text"', b'data: "text"\n\n' + DONE),
    "deep-json": of_answer(b"[" * 100_000, b"data: " + b"[" * 100_000 + b"\n\n" + DONE),
    "huge-line": Fault(
        [head(), b"\n" * 1024, *[MEGABYTE] * 8],
        [head(kind=EVENTS), b"data: ", *[MEGABYTE] * 8, b"\n\n", events()],
    ),
    "invalid-utf-8": changed(lambda sent: sent.replace("ü".encode(), b"\xff")),
    "split-characters": Fault(
        [sized(b"")[:0], head(), *one_by_one(answer(), 0)],
        [head(kind=EVENTS), *one_by_one(events(), 0)],
    ),
    "crlf": of_answer(answer(), events().replace(b"\n", b"\r\n")),
    "cr": of_answer(answer(), events().replace(b"\n", b"\r")),
    "byte-order-mark": of_answer(answer(), b"\xef\xbb\xbf" + events()),
    "comments": of_answer(answer(), b": ping\n\n" + events().replace(b"data:", b": ping\ndata:")),
    "fields": of_answer(answer(), events().replace(b"data:", b"event: x\nid: 1\nretry: 1\ndata:")),
    "data-of-many-lines": of_answer(answer(), events().replace(b'"choices"', b'\ndata: "choices"')),
    "no-done": of_answer(answer(), deltas() + ending()),
    "no-finish-reason": Fault(
        [sized(answer(finish_reason=None))], [*streamed(deltas()), SOON, DONE]
    ),
    "empty-finish-reason": Fault(
        [sized(answer(finish_reason=""))], [*streamed(deltas()), SOON, chunk(finish="") + DONE]
    ),
    "done-first": of_answer(answer(finish_reason=None), DONE + events()),
    "error-first-429": in_stream(429),
    "error-first-500": in_stream(500),
    "error-first-400": in_stream("400"),
    "error-later-429": in_stream(429, deltas()),
    "error-later-500": in_stream(500, deltas()),
    "error-later-400": in_stream("400", deltas()),
    "error-of-text": Fault(
        [sized(encoded({"error": SECRET}))],
        streamed(b"data: " + encoded({"error": SECRET}) + b"\n\n", DONE),
    ),
    "error-of-a-long-code": in_stream("9" * 5000),
    "no-choices": of_answer(b'{"id": "1"}', b'data: {"id": "1"}\n\n' + DONE),
    "empty-choices": of_answer(answer(choices=[]), chunk(choices=[]) + DONE),
    "null-content": of_answer(
        answer(message={"role": "assistant", "content": None}),
        chunk({"content": None}) + ending() + DONE,
    ),
    "content-of-parts": of_answer(
        answer(message={"role": "assistant", "content": [{"type": "text", "text": TEXT}]}),
        chunk({"content": [{"type": "text", "text": TEXT}]}) + ending() + DONE,
    ),
    "tool-calls": of_answer(
        answer(message={"role": "assistant", "content": None} | TOOL, finish_reason="tool_calls"),
        chunk(TOOL) + chunk(finish="tool_calls") + DONE,
    ),
    "usage-missing": of_answer(
        answer().replace(b'"usage"', b'"used"'), deltas() + chunk(finish="stop") + DONE
    ),
    "duplicated-final": of_answer(
        answer(),
        deltas()[: -len(chunk({"content": PIECES[-1]}))]
        + chunk({"content": PIECES[-1]}, finish="stop") * 2
        + chunk(choices=[], usage=USAGE) * 2
        + DONE * 2,
    ),
}

USAGES: dict[str, Any] = {
    "usage-null": None,
    "usage-negative": {"prompt_tokens": -11, "completion_tokens": 5, "total_tokens": -6},
    "usage-absurd": {"prompt_tokens": 1e30, "completion_tokens": 5, "total_tokens": 1e30},
    "usage-endless": {"prompt_tokens": 10**400, "completion_tokens": 5, "total_tokens": 10**400},
    "usage-of-words": {"prompt_tokens": "many", "completion_tokens": "few", "total_tokens": "x"},
    "usage-of-reasoning": USAGE | {"completion_tokens_details": {"reasoning_tokens": -7}},
    "usage-a-list": [1, 2],
}

CONTENT |= {
    name: of_answer(answer(usage=usage), deltas() + ending(usage) + DONE)
    for name, usage in USAGES.items()
}

RETRY_AFTERS = {
    "zero": "0",
    "negative": "-1",
    "enormous": "1000000000",
    "past": "Wed, 21 Oct 2015 07:28:00 GMT",
    "future": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True),
    "nan": "NaN",
    "junk": "soon; " + "x" * 1000,
}


def limited(name: str, value: str) -> Fault:
    return refused("429", problem(kind="rate_limit"), f"{name}: {value}")


LIMITS = {
    f"{prefix}-{name}": limited(header, value)
    for prefix, header in (("after", "Retry-After"), ("provider", "llm_provider-retry-after"))
    for name, value in RETRY_AFTERS.items()
}
