"""What the composition root made, as the routes see it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypedDict, cast

from fastapi import Depends, Request

from api.access import ProjectAccess
from api.admission import Admission
from api.gateway import Gateway
from api.generations import Generations
from api.idempotency import Answers
from api.identity import CallerId, Identity
from api.llm import Llm
from api.settings import Settings
from api.tickets import Grant, Tickets
from api.trace_reader import TraceReader
from api.tracing import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.metrics import Metrics
    from api.redis_streams import RedisStreams
    from api.span_export import SpanExport
    from api.watching import CallSeen


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that all requests share."""

    settings: Settings
    identity: Identity
    access: ProjectAccess
    gateway: Gateway
    llm: Llm
    admission: Admission
    warm_up: asyncio.Task[None]
    generations: Generations
    answers: Answers
    tickets: Tickets
    metrics: "Metrics"
    redis_streams: "RedisStreams | None"
    exports: "Sequence[SpanExport[CallSeen]]"
    trace_reader: TraceReader | None


class State(TypedDict):
    """What the lifespan yields; around each request there are its `trace` and its `caller`, too."""

    parts: Parts


# 1. Dependencies are `async def` though nothing is awaited: FastAPI runs a plain `def` in a thread.
# 2. One for all parts: each dependency costs as much as encoding the answer.
async def parts_of(request: Request) -> Parts:
    return here_of(request)


def here_of(request: Request) -> Parts:
    """The parts, where there is a request and no dependency."""
    return cast(Parts, request.state.parts)


def trace_of(request: Request) -> Trace:
    """The trace that the middleware gave this request."""
    return cast(Trace, request.state.trace)


def caller_of(request: Request) -> CallerId:
    """Who calls, as the guard found out."""
    return cast(CallerId, request.state.caller)


def grant_of(request: Request) -> Grant | None:
    """What the ticket that this request came with was given for."""
    return cast("Grant | None", getattr(request.state, "grant", None))


Here = Annotated[Parts, Depends(parts_of)]
