"""What the composition root made, as the routes see it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypedDict, cast

from fastapi import Depends, Request

from api.gateway.peer import Gateway
from api.idempotency.answers import Answers
from api.langfuse.trace_reader import TraceReader
from api.llm.client import Llm
from api.project_access import ProjectAccess
from api.resumable.registry import StreamRegistry
from api.settings import Settings
from api.tickets.tickets import Grant, Tickets
from chassis.admission import Admission
from chassis.identity.callers import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.llm.observers import CallRecord
    from api.redis_state.streams import RedisStreams
    from api.telemetry.metrics import Metrics
    from chassis.telemetry.export import SpanExport


@dataclass(frozen=True, slots=True)
class AppState:
    """The parts that all requests share."""

    settings: Settings
    identity: Identity
    access: ProjectAccess
    gateway: Gateway
    llm: Llm
    admission: Admission
    warm_up: asyncio.Task[None]
    generations: StreamRegistry
    answers: Answers
    tickets: Tickets
    metrics: "Metrics"
    redis_streams: "RedisStreams | None"
    exports: "Sequence[SpanExport[CallRecord]]"
    trace_reader: TraceReader | None


class LifespanState(TypedDict):
    """What the lifespan yields; around each request there are its `trace` and its `caller`, too."""

    app: AppState
    count_refusal: Callable[[str], None]


# 1. Dependencies are `async def` though nothing is awaited: FastAPI runs a plain `def` in a thread.
# 2. One for all parts: each dependency costs as much as encoding the answer.
async def app_state(request: Request) -> AppState:
    return app_state_of(request)


def app_state_of(request: Request) -> AppState:
    """The parts, where there is a request and no dependency."""
    return cast(AppState, request.state.app)


def grant_of(request: Request) -> Grant | None:
    """What the ticket that this request came with was given for."""
    return cast("Grant | None", getattr(request.state, "grant", None))


State = Annotated[AppState, Depends(app_state)]
