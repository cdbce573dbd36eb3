"""What the composition root made, as the routes see it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypedDict, cast

from fastapi import Depends, Request

from api.admission import Admission
from api.gateway import Gateway
from api.generations import Generations
from api.idempotency import Answers
from api.llm import Llm
from api.settings import Settings
from api.tracing import Trace

if TYPE_CHECKING:
    from api.redis_streams import RedisStreams


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that all requests share."""

    settings: Settings
    gateway: Gateway
    llm: Llm
    admission: Admission
    warm_up: asyncio.Task[None]
    generations: Generations
    answers: Answers
    redis_streams: "RedisStreams | None"


class State(TypedDict):
    """What the lifespan yields; the middleware adds each request's `trace`."""

    parts: Parts


# 1. Dependencies are `async def` though nothing is awaited: FastAPI runs a plain `def` in a thread.
# 2. One for all parts: each dependency costs as much as encoding the answer.
async def parts_of(request: Request) -> Parts:
    return cast(Parts, request.state.parts)


def trace_of(request: Request) -> Trace:
    """The trace that the middleware gave this request."""
    return cast(Trace, request.state.trace)


def caller_of(_: Request) -> str:
    """Who calls; with `AUTH_MODE=disabled` nobody is told from another."""
    return "anybody"


Here = Annotated[Parts, Depends(parts_of)]
