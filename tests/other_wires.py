"""The scripted provider on the wires of Anthropic and Gemini: streams that end well, or are cut."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiohttp import web

from local.openai_wire import send

WORDS = ["Paris", "."]
CUT = "cutclean"


def typed(kind: str, **fields: Any) -> bytes:
    return b"data: " + json.dumps({"type": kind} | fields).encode() + b"\n\n"


def anthropic_events(model: str) -> Iterator[bytes]:
    message = {"id": "msg-1", "type": "message", "role": "assistant", "model": model, "content": []}
    yield typed("message_start", message=message | {"usage": {"input_tokens": 11}})
    yield typed("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in WORDS:
        yield typed("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    if model != CUT:
        yield typed("content_block_stop", index=0)
        yield typed(
            "message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 2}
        )
        yield typed("message_stop")


def gemini_events(model: str) -> Iterator[bytes]:
    counted = {"promptTokenCount": 11, "candidatesTokenCount": 2, "totalTokenCount": 13}
    for word in WORDS:
        ends = {"finishReason": "MAX_TOKENS"} if word == WORDS[-1] and model != CUT else {}
        candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": word}]}} | ends
        body = {"candidates": [candidate], "usageMetadata": counted, "modelVersion": model}
        yield b"data: " + json.dumps(body).encode() + b"\n\n"


async def anthropic(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    return await send(request, each(anthropic_events(body["model"])))


async def gemini(request: web.Request) -> web.StreamResponse:
    return await send(request, each(gemini_events(request.match_info["model"])))


async def each(events: Iterator[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event
    await asyncio.sleep(0.2)  # a reader that is told of a cut drops what it has not yet read


def add_routes(app: web.Application) -> None:
    """To the paths that LiteLLM makes of our base URL."""
    app.router.add_post("/v1/v1/messages", anthropic)
    app.router.add_post("/v1/models/{model}:streamGenerateContent", gemini)
