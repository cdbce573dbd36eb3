"""What requests share, made by `main.py` and seen by the routes and the project of a request."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request

from api.gateway.peer import Gateway
from api.idempotency.answers import Answers  # removable: idempotency
from api.llm.client import Llm
from api.project_access import ProjectAccess
from api.self_test import TraceProof
from api.settings import Settings
from api.streaming.open import Streams
from api.telemetry.metrics import Metrics
from api.tickets.tickets import Tickets  # removable: tickets
from chassis.admission import Admission
from chassis.identity.callers import Identity
from chassis.telemetry.metrics import Export


@dataclass(frozen=True, slots=True)
class AppState:
    """
    Attributes:
        warm_up: done when all that the first call needs is loaded.
        exports: of traces.
        trace_proof: where the trace of a call is read back from, if anywhere.
    """

    settings: Settings
    identity: Identity
    access: ProjectAccess
    gateway: Gateway
    llm: Llm
    admission: Admission
    warm_up: asyncio.Task[None]
    streams: Streams
    metrics: Metrics
    exports: Sequence[Export]
    trace_proof: TraceProof | None
    answers: Answers  # removable: idempotency
    tickets: Tickets  # removable: tickets


class LifespanState(TypedDict):
    """What the lifespan yields; around each request there are its `trace` and its `caller`, too."""

    app: AppState
    count_refusal: Callable[[str], None]


# 1. Dependencies are `async def` though nothing is awaited: FastAPI runs a plain `def` in a thread.
# 2. One for all parts: each dependency costs as much as encoding the answer.
async def app_state(request: Request) -> AppState:
    """What requests share, as this one sees it."""
    return cast(AppState, request.state.app)


State = Annotated[AppState, Depends(app_state)]
