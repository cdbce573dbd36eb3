"""The parts of what the fault server plays: heads, valid answers, and ways to spoil them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wire_faults import Pause, Step

SECRET = "secret upstream detail"
PIECES = ["Grüße", ", 世界", " 😀", " und", " Ende."]
TEXT = "".join(PIECES)
USAGE: dict[str, Any] = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
JSON = "application/json"
EVENTS = "text/event-stream"
DONE = b"data: [DONE]\n\n"
MEGABYTE = b"x" * 1024 * 1024
SOON = Pause(0.05)
"""A reader that is told of a reset drops what it has not read yet; until then it has."""


@dataclass(frozen=True)
class Fault:
    """What is played where a whole answer is asked for, and where a stream is."""

    whole: Sequence[Step]
    stream: Sequence[Step]


def head(status: str = "200 OK", kind: str = JSON, *lines: str) -> bytes:
    given = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *lines]
    return "\r\n".join([*given, "", ""]).encode("latin-1")


def sized(body: bytes, status: str = "200 OK", kind: str = JSON, *lines: str) -> bytes:
    return head(status, kind, *lines, f"Content-Length: {len(body)}") + body


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def answer(**changes: Any) -> bytes:
    """A whole answer; `changes` are of its choice, or of the body where they name a part of it."""
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": TEXT},
        "finish_reason": "stop",
    }
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": USAGE,
    }
    choice |= {name: value for name, value in changes.items() if name in choice}
    return encoded(body | {name: value for name, value in changes.items() if name in body})


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One event of a stream; `more` is of its body."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    return b"data: " + encoded(body | more) + b"\n\n"


def deltas() -> bytes:
    return b"".join(chunk({"content": piece}) for piece in PIECES)


def ending(usage: Any = USAGE) -> bytes:
    return chunk(finish="stop") + chunk(choices=[], usage=usage)


def events() -> bytes:
    """A whole valid stream."""
    return deltas() + ending() + DONE


def problem(message: str = SECRET, kind: str = "server_error", code: Any = None) -> bytes:
    return encoded({"error": {"message": message, "type": kind, "param": None, "code": code}})


def streamed(*parts: bytes) -> Sequence[Step]:
    return [head(kind=EVENTS), b"".join(parts)]


def same(*steps: Step) -> Fault:
    return Fault(steps, steps)


def of_answer(whole: bytes, stream: bytes) -> Fault:
    return Fault([sized(whole)], streamed(stream))


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """The valid answers, each with its bytes changed."""
    return of_answer(change(answer()), change(events()))


def refused(status: str, body: bytes, *lines: str, kind: str = JSON) -> Fault:
    return same(sized(body, f"{status} {SECRET}", kind, *lines))


def one_by_one(sent: bytes, seconds: float) -> list[Step]:
    return [step for n in range(len(sent)) for step in (sent[n : n + 1], Pause(seconds))]


def in_stream(code: Any, *before: bytes) -> Fault:
    """A 200 that holds an error object."""
    error = problem(code=code)
    return Fault([sized(error)], [*streamed(*before), SOON, b"data: " + error + b"\n\n" + DONE])
