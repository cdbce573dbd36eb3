"""The composition root: the application around its parts, and how they begin and end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.types import Scope

from api.app_state import AppState, LifespanState
from api.gateway.peer import Gateway
from api.llm.client import Llm
from api.resumable.registry import StreamRegistry
from api.routes import health
from api.routes import llm as routes
from api.routes.docs import add_docs, ask_for_tokens
from api.routes.metrics import router as metrics_router
from api.settings import Settings
from api.streaming.open import UnresumableStream
from api.telemetry.metrics import Metrics
from api.tickets.granting import granted
from api.wiring import (
    access_of,
    identity_of,
    lane_of,
    shared_by_replicas,
    span_exports,
    trace_reader_of,
)
from chassis.addresses import is_loopback
from chassis.admission import Admission
from chassis.errors import CLIENT_CLOSED_REQUEST, Draining, ServiceError
from chassis.http import cors
from chassis.http.disconnect import ClientDisconnected
from chassis.http.request_context import RequestContext
from chassis.http.same_site import SameSite
from chassis.http.security_headers import SecurityHeaders
from chassis.identity.guard import Guard, path_of
from chassis.logs import log
from chassis.problems import handle
from chassis.redaction import keep_out_all

PUBLIC = frozenset(
    {"/", "/docs", "/docs/assets/", "/health", "/health/live", "/health/ready", "/metrics"}
    | {"/openapi.json"}
)
"""What needs no caller; a path that ends in a slash stands for all below it."""
STREAM = "/llm/stream"


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
            SameSite,
            origins=settings.cors_allow_origins,
            on_loopback=is_loopback(settings.host),
        )
    app.add_middleware(Guard, authenticate=authenticate, public=PUBLIC)
    app.add_middleware(RequestContext, max_body_bytes=settings.max_body_bytes)
    if settings.cors_allow_origins:
        cors.let_in(app, settings.cors_allow_origins)
    app.add_middleware(SecurityHeaders)
    for kind in (ServiceError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(ClientDisconnected, nobody_to_answer)
    app.add_exception_handler(UnresumableStream, no_content)
    app.include_router(routes.router)
    app.include_router(health.router)
    app.include_router(metrics_router)
    app.add_api_route("/", to_docs, methods=["GET", "HEAD"], include_in_schema=False)
    add_docs(app)
    if settings.auth_mode != "disabled":
        ask_for_tokens(app)
    return app


def lifespan_of(
    settings: Settings, admission: Admission
) -> Callable[[FastAPI], AbstractAsyncContextManager[LifespanState]]:
    """The lifespan that makes what the requests share, and takes it down again."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[LifespanState]:
        metrics = Metrics(settings, app.version)
        async with Gateway(settings.llm_gateway_url, settings.gateway_key()) as gateway:
            lane = lane_of(settings, gateway)
            warm_up = asyncio.create_task(lane.warm_up())
            warm_up.add_done_callback(say_whether_it_loaded)
            generations = StreamRegistry(admission)
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
                yield LifespanState(
                    count_refusal=metrics.refused,
                    app=AppState(
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
                    ),
                )
                await generations.aclose()
            await asyncio.wait({warm_up})

    return lifespan


async def authenticate(scope: Scope) -> dict[str, Any]:
    """The caller of this request, by a ticket where it came with one; and what that was given for.

    Raises:
        Unauthenticated, IdentityUnavailable, StateUnavailable: see `granted`, `Identity.caller`.
    """
    headers, app = Headers(scope=scope), cast(AppState, scope["state"]["app"])
    if path_of(scope) == STREAM and scope["method"] == "GET":
        if tickets := QueryParams(scope["query_string"]).getlist("ticket"):
            grant = await granted(tickets, headers, app.tickets)
            return {"caller": grant.caller, "grant": grant}
    return {"caller": await app.identity.caller(headers)}


def say_whether_it_loaded(warm_up: "asyncio.Task[None]") -> None:
    if not warm_up.cancelled() and (error := warm_up.exception()):
        log.error("lane_failed_to_load", reason=f"{type(error).__name__}: {error}")


async def nobody_to_answer(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def no_content(_: Request, __: Exception) -> Response:
    return Response(status_code=204)


async def to_docs() -> RedirectResponse:
    return RedirectResponse("docs")
