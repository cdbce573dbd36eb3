"""The fault models: a provider that misbehaves as the model's name says.

Run as `python -m local.fault_models --port N`, on 127.0.0.1 unless told otherwise. They stand
behind the gateway, on a laptop only.
"""

import argparse
import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiohttp import web

from local.openai_wire import answer, chunk, event, hung_up, last_chunks, problem, send
from local.run.ports import LOOPBACK

WORDS = ["This", " is", " what", " a", " fault", " model", " says", "."]
WORDS_BEFORE_THE_END = 4
BROKEN_JSON = b'{"choices": ['
PAGE = "<html><body>It works!</body></html>"
PACE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 0.2
"""A reader that is told of a cut drops what it has not yet read."""
SLOW_FIRST_SECONDS = 3
SLOW_PACE_SECONDS = 0.5
FOR_EVER_SECONDS = 3600
ROOM_TO_THINK = 4096
USUAL_ROOM = 1024
FLAKY = web.AppKey("flaky", Iterator[bool])

ERRORS = {
    "fail-429": (429, "Rate limit reached.", "requests", "rate_limit_exceeded", None),
    "fail-500": (500, "The server had an error.", "server_error", None, None),
    "fail-503": (503, "The engine is overloaded.", "server_error", None, None),
    "fail-401": (401, "Incorrect API key.", "invalid_request_error", "invalid_api_key", None),
    "fail-400": (
        400,
        "temperature must be between 0 and 1.",
        "invalid_request_error",
        "invalid_value",
        "temperature",
    ),
}


def failure(model: str, flaky: Iterator[bool]) -> web.Response | None:
    """The answer of a model that gives none."""
    if model == "flaky":
        return problem(*ERRORS["fail-500"]) if next(flaky) else None
    if model == "html":
        return web.Response(text=PAGE, content_type="text/html")
    error = ERRORS.get(model.removesuffix("-retry-after"))
    response = problem(*error) if error else None
    if response and model.endswith("-retry-after"):
        response.headers["Retry-After"] = "2"
    return response


def eaten_by_thinking(model: str, body: dict[str, Any]) -> int:
    """The tokens that thinking took: all there were, or 0 where some are left for an answer."""
    room: int = body.get("max_completion_tokens") or body.get("max_tokens") or USUAL_ROOM
    return room if model == "empty" and room < ROOM_TO_THINK else 0


def words_of(model: str) -> list[str]:
    is_short = model in {"cut", "cut-clean", "garbage", "filtered"}
    return WORDS[:WORDS_BEFORE_THE_END] if is_short else WORDS


def pause_before(number: int, model: str) -> float:
    """Seconds before the word of this number, counted from 0."""
    if model != "slow":
        return PACE_SECONDS
    return SLOW_PACE_SECONDS if number else SLOW_FIRST_SECONDS


def finish_of(model: str) -> str | None:
    return {"filtered": "content_filter", "cut-clean": None}.get(model, "stop")


async def chunks(model: str, body: dict[str, Any]) -> AsyncIterator[bytes]:
    """What a stream of this model sends; a cut is an exception, as for the network."""
    yield chunk(model, {"role": "assistant", "content": ""})
    if thought := eaten_by_thinking(model, body):
        yield last_chunks(model, "length", thought, reasoning=thought)
        return
    words = words_of(model)
    for number, word in enumerate(words):
        await asyncio.sleep(pause_before(number, model))
        yield chunk(model, {"content": word})
    await asyncio.sleep(LAST_PAUSE_SECONDS)
    if model == "cut":
        raise ConnectionAbortedError
    if model == "garbage":
        yield event(BROKEN_JSON)
    elif finish := finish_of(model):
        yield last_chunks(model, finish, len(words))


async def whole(model: str, body: dict[str, Any]) -> bytes:
    """
    Raises:
        ConnectionAbortedError: the connection is to be dropped.
    """
    if model == "cut":
        raise ConnectionAbortedError
    if model == "garbage":
        return BROKEN_JSON
    if thought := eaten_by_thinking(model, body):
        return answer(model, None, "length", thought, reasoning=thought)
    words = words_of(model)
    await asyncio.sleep(sum(pause_before(number, model) for number in range(len(words))))
    return answer(model, "".join(words), finish_of(model), len(words))


async def completions(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    model = body["model"]
    if response := failure(model, request.app[FLAKY]):
        return response
    if model == "hang":
        await asyncio.sleep(FOR_EVER_SECONDS)
    try:
        if body.get("stream"):
            return await send(request, chunks(model, body))
        return web.Response(body=await whole(model, body), content_type="application/json")
    except ConnectionAbortedError:
        raise hung_up(request) from None


async def health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def create_app() -> web.Application:
    app = web.Application()
    app[FLAKY] = itertools.cycle([True, False])
    app.router.add_get("/health", health)
    app.router.add_post("/v1/chat/completions", completions)
    return app


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.fault_models", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK, help=f"the address to listen on; {LOOPBACK}")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    try:
        web.run_app(
            create_app(),
            host=options.host,
            port=options.port,
            handler_cancellation=True,
            shutdown_timeout=1,
        )
    except OSError as error:
        print(f"fault models: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
