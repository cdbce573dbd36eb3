"""A small provider on the OpenAI wire that fails on cue: the model's name says what it does.

Stateful: it keeps every request it was sent, and which of them the caller gave up. A test finds
its own by a prompt that nobody else uses, so tests never have to reset anything.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WORDS = ["Paris", " is", " the", " capital", " of", " France", "."]


@dataclass
class Call:
    """One request as the provider received it."""

    body: dict[str, Any]
    headers: dict[str, str]
    aborted: bool = False
    finished: bool = False


@dataclass
class Provider:
    """The provider's memory, shared by its routes and the test that asks."""

    calls: list[Call] = field(default_factory=list)

    def for_prompt(self, prompt: str) -> list[Call]:
        """The calls whose last message was exactly `prompt`, oldest first."""
        return [c for c in self.calls if c.body["messages"][-1]["content"] == prompt]


def usage(output: int, reasoning: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": 11,
        "completion_tokens": output,
        "total_tokens": 11 + output,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def answer(model: str, text: str | None, finish: str, output: int, reasoning: int = 0) -> bytes:
    message = {"role": "assistant", "content": text}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage(output, reasoning),
    }
    return json.dumps(body).encode()


def chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def last_chunks(model: str, finish: str, output: int, reasoning: int = 0) -> bytes:
    counted = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [],
        "usage": usage(output, reasoning),
    }
    tail = b"data: " + json.dumps(counted).encode() + b"\n\ndata: [DONE]\n\n"
    return chunk(model, {}, finish) + tail


def problem(status: int, message: str, kind: str, code: str | None) -> web.Response:
    error = {"message": message, "type": kind, "code": code, "param": None}
    return web.json_response({"error": error}, status=status)


def failure(model: str) -> web.Response | None:
    """The answer of a model whose name asks for one that is not a completion."""
    name, _, rest = model.partition("-")
    if name == "status":
        code, _, retry_after = rest.partition("-after-")
        response = problem(int(code), f"secret upstream detail {code}", "server_error", None)
        if retry_after:
            response.headers["Retry-After"] = retry_after
        return response
    if model == "context":
        message = "This model's maximum context length is 8 tokens."
        return problem(400, message, "invalid_request_error", "context_length_exceeded")
    if model == "badparam":
        message = "temperature must be between 0 and 1"
        return problem(400, message, "invalid_request_error", "invalid_value")
    if model == "html":
        page = "<html><body>It works!</body></html>"
        return web.Response(text=page, content_type="text/html")
    if model == "garbage":
        return web.Response(text='{"choices": [', content_type="application/json")
    return None


async def chunks(model: str) -> AsyncIterator[bytes]:
    """What a stream of this model sends; a cut is an exception, as for the network."""
    name, _, rest = model.partition("-")
    if name == "silent":
        await asyncio.sleep(float(rest))
    if model == "hang":
        await asyncio.sleep(60)
    if model == "empty":
        yield chunk(model, {"role": "assistant", "content": None})
        yield last_chunks(model, "length", 30, reasoning=30)
        return
    yield chunk(model, {"role": "assistant", "content": ""})
    if name in {"drip", "torrent"}:
        for n in range(int(rest or 3000)):
            await asyncio.sleep(0.05 if name == "drip" else 0.005)
            yield chunk(model, {"content": f"{n} "})
        if rest:
            yield last_chunks(model, "stop", int(rest))
            return
    for word in WORDS[:4] if model.startswith("cut") else WORDS:
        await asyncio.sleep(0.002)
        yield chunk(model, {"content": word})
    if model == "cut":
        await asyncio.sleep(0.2)  # a reader that is told of the cut drops what it has not yet read
        raise ConnectionAbortedError
    if model != "cutclean":
        finish = {"filtered": "content_filter", "long": "length"}.get(model, "stop")
        yield last_chunks(model, finish, len(WORDS))


async def whole(model: str) -> bytes:
    name, _, rest = model.partition("-")
    if name == "silent":
        await asyncio.sleep(float(rest))
    if model in {"hang", "drip", "torrent"}:
        await asyncio.sleep(60)
    if model == "empty":
        return answer(model, None, "length", 30, reasoning=30)
    if model.startswith("cut"):
        raise ConnectionAbortedError
    finish = {"filtered": "content_filter", "long": "length"}.get(model, "stop")
    return answer(model, "".join(WORDS), finish, len(WORDS))


async def completions(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    call = Call(body, {k.lower(): v for k, v in request.headers.items()})
    request.app[PROVIDER].calls.append(call)
    model = body["model"]
    if response := failure(model):
        call.finished = True
        return response
    try:
        if not body.get("stream"):
            text = await whole(model)
            call.finished = True
            return web.Response(body=text, content_type="application/json")
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        async for piece in chunks(model):
            await stream.write(piece)
        call.finished = True
        await stream.write_eof()
        return stream
    except (asyncio.CancelledError, ConnectionResetError):
        call.aborted = True
        raise
    except ConnectionAbortedError:
        assert request.transport is not None
        request.transport.close()
        raise web.HTTPException from None


PROVIDER = web.AppKey("provider", Provider)


def create_app(provider: Provider) -> web.Application:
    """The provider as an application that keeps what it sees in `provider`."""
    app = web.Application()
    app[PROVIDER] = provider
    app.router.add_post("/v1/chat/completions", completions)
    return app
