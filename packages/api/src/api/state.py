"""What the composition root made, as the routes see it: typed state and the dependencies for it.

Dependencies are `async def` even where nothing is awaited: FastAPI runs a plain `def` in a
thread, which costs more than the call itself.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request

from api.admission import Admission
from api.gateway import Gateway
from api.llm import Llm
from api.settings import Settings
from api.tracing import Trace


class State(TypedDict):
    """What the lifespan yields; the request's `trace` is added by the middleware."""

    settings: Settings
    gateway: Gateway
    llm: Llm
    admission: Admission
    warm_up: asyncio.Task[None]


async def settings_of(request: Request) -> Settings:
    return cast(Settings, request.state.settings)


async def gateway_of(request: Request) -> Gateway:
    return cast(Gateway, request.state.gateway)


async def llm_of(request: Request) -> Llm:
    return cast(Llm, request.state.llm)


async def admission_of(request: Request) -> Admission:
    return cast(Admission, request.state.admission)


async def warm_up_of(request: Request) -> "asyncio.Task[None]":
    return cast("asyncio.Task[None]", request.state.warm_up)


async def trace_of(request: Request) -> Trace:
    return cast(Trace, request.state.trace)


async def admitted(admission: Annotated[Admission, Depends(admission_of)]) -> AsyncGenerator[None]:
    """Holds a place in flight until the response is sent."""
    with admission.admitted():
        yield


SettingsHere = Annotated[Settings, Depends(settings_of)]
GatewayHere = Annotated[Gateway, Depends(gateway_of)]
LlmHere = Annotated[Llm, Depends(llm_of)]
AdmissionHere = Annotated[Admission, Depends(admission_of)]
WarmUpHere = Annotated["asyncio.Task[None]", Depends(warm_up_of)]
TraceHere = Annotated[Trace, Depends(trace_of)]
Admitted = Depends(admitted)
