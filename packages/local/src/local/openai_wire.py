"""A provider's side of the OpenAI wire: whole answers, the chunks of a stream, and errors."""

import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

DONE = b"data: [DONE]\n\n"
PROMPT_TOKENS = 11


def usage(output: int, reasoning: int = 0) -> dict[str, Any]:
    """
    Args:
        output: tokens, those of the reasoning included.
    """
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": output,
        "total_tokens": PROMPT_TOKENS + output,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def completion(kind: str, model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model}
    return json.dumps(head | {"choices": choices} | more).encode()


def answer(
    model: str, text: str | None, finish: str | None, output: int, reasoning: int = 0
) -> bytes:
    """A whole answer."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    counted = usage(output, reasoning)
    return completion("chat.completion", model, [choice], usage=counted)


def event(body: bytes) -> bytes:
    return b"data: " + body + b"\n\n"


def chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(completion("chat.completion.chunk", model, [choice]))


def last_chunks(model: str, finish: str, output: int, reasoning: int = 0) -> bytes:
    """How a stream ends: why, what it cost, and that this was all."""
    counted = usage(output, reasoning)
    tail = event(completion("chat.completion.chunk", model, [], usage=counted))
    return chunk(model, {}, finish) + tail + DONE


def problem(
    status: int, message: str, kind: str, code: str | None, param: str | None = None
) -> web.Response:
    """An error as OpenAI words it."""
    error = {"message": message, "type": kind, "code": code, "param": param}
    return web.json_response({"error": error}, status=status)


async def send(request: web.Request, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Sends a stream as it comes, and closes it as it should be."""
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    async for piece in pieces:
        await stream.write(piece)
    await stream.write_eof()
    return stream


def hung_up(request: web.Request) -> web.HTTPException:
    """Drops the connection in the middle of whatever is being sent; what to raise then."""
    if request.transport is not None:
        request.transport.close()
    return web.HTTPException()
