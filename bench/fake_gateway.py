"""A gateway that costs next to nothing: the OpenAI wire as LiteLLM speaks it, encoded beforehand.

The prompt says how long the answer is: "16 words" gets 16 tokens. Every token differs from the one
before, because litellm gives a stream up that repeats itself. A stream leaves in one write, each
event in an HTTP chunk of its own.
"""

import asyncio
import json
import re
import sys
from functools import lru_cache
from typing import Any, cast

import uvloop

MODEL = "gemini-3.5-flash"
WORDS_ASKED = re.compile(rb"(\d+) words")
BODY_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

GATEWAY_HEADERS = "\r\n".join(
    [
        "date: Sun, 22 Nov 2026 04:35:52 GMT",
        "x-litellm-call-id: 9545f846-4cc0-49ba-91d9-96b5b8fab055",
        "x-litellm-model-id: fe25d68604571271ce241535b80020a9c40470fb2958462c245203ea822c0911",
        f"x-litellm-model-name: openai/{MODEL}",
        "x-litellm-version: 1.106.2",
        "x-litellm-response-cost: 0.0",
        "x-litellm-response-cost-original: 0.0",
        "x-litellm-key-spend: 0.0",
        "x-litellm-response-duration-ms: 15.161991119384766",
        "x-litellm-overhead-duration-ms: 12.3329",
        f"x-litellm-model-group: {MODEL}",
        "x-litellm-attempted-retries: 0",
        "x-litellm-attempted-fallbacks: 0",
        "vary: Origin",
        "x-content-type-options: nosniff",
    ]
)


def words(count: int) -> list[str]:
    """The tokens of an answer of `count` words."""
    return [f" w{number}" for number in range(count)]


def head(*own: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", GATEWAY_HEADERS, *own, "", ""]).encode()


def json_answer(body: dict[str, Any]) -> bytes:
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return head("content-type: application/json", f"content-length: {len(encoded)}") + encoded


def usage(count: int) -> dict[str, Any]:
    return {"completion_tokens": count, "prompt_tokens": 11, "total_tokens": 11 + count}


@lru_cache
def completion(count: int) -> bytes:
    message = {"content": "".join(words(count)), "role": "assistant"}
    choice = {"finish_reason": "stop", "index": 0, "message": message}
    return json_answer(
        {
            "id": "chatcmpl-1",
            "created": 1795322152,
            "model": MODEL,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage(count),
        }
    )


def event(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "delta": delta}
    if finish_reason:
        choice["finish_reason"] = finish_reason
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1795322152,
        "model": MODEL,
        "choices": [choice],
    }


@lru_cache
def stream(count: int, *, include_usage: bool) -> bytes:
    events = [event({"role": "assistant", "content": ""})]
    events += [event({"content": word}) for word in words(count)]
    events.append(event({}, finish_reason="stop"))
    if include_usage:
        events.append(event({}) | {"usage": usage(count)})
    encoded = [json.dumps(data, separators=(",", ":")) for data in events]
    lines = [f"data: {data}\n\n" for data in [*encoded, "[DONE]"]]
    chunks = "".join(f"{len(line):x}\r\n{line}\r\n" for line in lines) + "0\r\n\r\n"
    kind = "content-type: text/event-stream; charset=utf-8"
    return head("cache-control: no-cache", kind, "Transfer-Encoding: chunked") + chunks.encode()


READY = json_answer({"status": "healthy", "db": "Not connected"})
MODELS = json_answer({"data": [{"id": MODEL, "object": "model"}], "object": "list"})


class FakeGateway(asyncio.Protocol):
    """One keep-alive connection; requests are answered in the order they came."""

    def __init__(self) -> None:
        self.unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        while (head_end := self.unread.find(b"\r\n\r\n")) >= 0:
            length = BODY_LENGTH.search(self.unread, 0, head_end)
            end = head_end + 4 + (int(length[1]) if length else 0)
            if len(self.unread) < end:
                return
            request, self.unread = self.unread[:end], self.unread[end:]
            self.transport.write(answer(request))


def answer(request: bytes) -> bytes:
    if request.startswith(b"GET"):
        return MODELS if b"/models" in request[:40] else READY
    asked = WORDS_ASKED.search(request)
    count = int(asked[1]) if asked else 1
    if re.search(rb'"stream": ?true', request):
        return stream(count, include_usage=b'"include_usage"' in request)
    return completion(count)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(FakeGateway, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
