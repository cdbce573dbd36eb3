"""A small provider on the OpenAI wire that fails on cue: the model's name says what it does.

Stateful: it keeps every request it was sent, and which of them the caller gave up. A test finds
its own by a prompt that nobody else uses, so tests never have to reset anything.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

import other_wires
from hearsay import heard
from local.openai_wire import DONE, answer, chunk, hung_up, last_chunks, problem, send

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


def failure(model: str) -> web.Response | None:
    """The answer of a model whose name asks for one that is not a completion."""
    name, _, rest = model.partition("-")
    if name == "status":
        code, _, retry_after = rest.partition("-after-")
        code, _, _ = code.partition("-")
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
    if model == "tools":
        function = {"name": "look_up", "arguments": "{}"}
        call = {"index": 0, "id": "call-1", "type": "function", "function": function}
        yield chunk(model, {"tool_calls": [call]})
        yield last_chunks(model, "tool_calls", 9)
        return
    if name in {"drip", "torrent"}:
        for n in range(int(rest or 3000)):
            await asyncio.sleep(0.05 if name == "drip" else 0.005)
            yield chunk(model, {"content": f"{n} "})
        if rest:
            yield last_chunks(model, "stop", int(rest))
            return
    if model == "cutsoon":
        await asyncio.sleep(0.2)
        raise ConnectionAbortedError
    for word in WORDS[:4] if model.startswith("cut") else WORDS:
        await asyncio.sleep(0.002)
        yield chunk(model, {"content": word})
    if model.startswith("cut"):
        await asyncio.sleep(0.2)  # a reader that is told of the cut drops what it has not yet read
    if model == "cut":
        raise ConnectionAbortedError
    if model == "lastword":
        yield chunk(model, {"content": "!"}, "length")
        yield DONE
    elif model != "cutclean":
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
    heard("provider", body)
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
        stream = await send(request, chunks(model))
        call.finished = True
        return stream
    except (asyncio.CancelledError, ConnectionResetError):
        call.aborted = True
        raise
    except ConnectionAbortedError:
        raise hung_up(request) from None


PROVIDER = web.AppKey("provider", Provider)


def create_app(provider: Provider) -> web.Application:
    """The provider as an application that keeps what it sees in `provider`."""
    app = web.Application()
    app[PROVIDER] = provider
    app.router.add_post("/v1/chat/completions", completions)
    other_wires.add_routes(app)
    return app
