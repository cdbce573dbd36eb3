"""The composition root: the application around its parts, and how they begin and end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api import cors, health, metrics, routes
from api.addresses import is_loopback
from api.admission import Admission
from api.auth import Guard
from api.docs import add_docs, ask_for_tokens
from api.errors import CLIENT_CLOSED_REQUEST, AccessError, Draining
from api.foreign_pages import ForeignPages
from api.gateway import Gateway
from api.generations import Generations
from api.llm import Llm
from api.logs import log
from api.metrics import Metrics
from api.middleware import RequestContext
from api.problems import handle
from api.redaction import keep_out_all
from api.security_headers import SecurityHeaders
from api.settings import Settings
from api.state import Parts, State
from api.streaming import UnresumableStream
from api.waiting import ClientGone
from api.wiring import (
    access_of,
    identity_of,
    lane_of,
    shared_by_replicas,
    span_exports,
    trace_reader_of,
)


def create_app(settings: Settings, admission: Admission) -> FastAPI:
    """The service for these settings, letting calls in through this admission."""
    keep_out_all(settings)
    app = FastAPI(
        title="LLM Access",
        version="0.1.0",
        description="LLM access for a solution, on the account of a project.",
        lifespan=lifespan_of(settings, admission),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    if settings.auth_mode == "disabled":
        app.add_middleware(
            ForeignPages,
            origins=settings.cors_allow_origins,
            on_loopback=is_loopback(settings.host),
        )
    app.add_middleware(Guard)
    app.add_middleware(RequestContext, max_body_bytes=settings.max_body_bytes)
    if settings.cors_allow_origins:
        cors.let_in(app, settings.cors_allow_origins)
    app.add_middleware(SecurityHeaders)
    for kind in (AccessError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(ClientGone, nobody_to_answer)
    app.add_exception_handler(UnresumableStream, no_content)
    app.include_router(routes.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.add_api_route("/", to_docs, methods=["GET", "HEAD"], include_in_schema=False)
    add_docs(app)
    if settings.auth_mode != "disabled":
        ask_for_tokens(app)
    return app


def lifespan_of(
    settings: Settings, admission: Admission
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """The lifespan that makes what the requests share, and takes it down again."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[State]:
        metrics = Metrics(settings, app.version)
        async with Gateway(settings.llm_gateway_url, settings.gateway_key()) as gateway:
            lane = lane_of(settings, gateway)
            warm_up = asyncio.create_task(lane.warm_up())
            warm_up.add_done_callback(say_whether_it_loaded)
            generations = Generations(admission)
            admission.grace_is_over.add_done_callback(
                lambda _: generations.stop(Draining("the grace of the shutdown is over"))
            )
            async with (
                shared_by_replicas(settings, admission) as (answers, tickets, redis_streams),
                identity_of(settings) as identity,
                access_of(settings, metrics.decided) as access,
                span_exports(settings) as exports,
                trace_reader_of(settings) as trace_reader,
            ):
                admission.grace_is_over.add_done_callback(lambda _: answers.stop())
                yield State(
                    parts=Parts(
                        settings=settings,
                        identity=identity,
                        access=access,
                        gateway=gateway,
                        llm=Llm(lane, settings, gateway.is_ready, [metrics.calls, *exports]),
                        admission=admission,
                        warm_up=warm_up,
                        generations=generations,
                        answers=answers,
                        tickets=tickets,
                        metrics=metrics,
                        redis_streams=redis_streams,
                        exports=exports,
                        trace_reader=trace_reader,
                    )
                )
                await generations.aclose()
            await asyncio.wait({warm_up})

    return lifespan


def say_whether_it_loaded(warm_up: "asyncio.Task[None]") -> None:
    if not warm_up.cancelled() and (error := warm_up.exception()):
        log.error("lane_failed_to_load", reason=f"{type(error).__name__}: {error}")


async def nobody_to_answer(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def no_content(_: Request, __: Exception) -> Response:
    return Response(status_code=204)


async def to_docs() -> RedirectResponse:
    return RedirectResponse("docs")
