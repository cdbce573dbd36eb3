"""The composition root: the application around its parts, and how they begin and end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from api import TITLE
from api.app_state import AppState, LifespanState
from api.gateway.chat_client import ChatClient
from api.gateway.peer import Gateway
from api.gateway.wire_client import WireClient
from api.idempotency.answers import Answers, AnswersInMemory  # removable: idempotency
from api.langfuse import opened as langfuse  # removable: langfuse
from api.litellm_client.opened import opened as through_litellm  # removable: litellm
from api.llm.client import Llm
from api.openfga.opened import opened as openfga  # removable: openfga
from api.project_access import AllowAll, ProjectAccess
from api.redis_state.opened import opened as shared_state  # removable: redis
from api.resumable.registry import SharedStreams, StreamRegistry  # removable: resumable
from api.resumable.streams import ResumableStreams  # removable: resumable
from api.routes import (
    complete,
    health,
    models,
    self_test,
    stream,
    stream_ticket,  # removable: tickets
    usage,  # removable: usage
)
from api.routes import metrics as metrics_route
from api.routes.docs import add_docs, ask_for_tokens
from api.self_test import TraceProof
from api.settings import Settings
from api.streaming.direct import DirectStreams
from api.streaming.open import Streams, UnresumableStream
from api.telemetry.export import CallExport
from api.telemetry.export import opened as to_collector
from api.telemetry.metrics import Metrics
from api.tickets.granting import granted_by_ticket  # removable: tickets
from api.tickets.tickets import Tickets, TicketsInMemory  # removable: tickets
from chassis.addresses import is_loopback
from chassis.admission import Admission
from chassis.errors import CLIENT_CLOSED_REQUEST, ServiceError
from chassis.http import cors
from chassis.http.disconnect import ClientDisconnected
from chassis.http.request_context import RequestContext
from chassis.http.same_site import SameSite
from chassis.http.security_headers import SecurityHeaders
from chassis.identity.callers import Identity, NoAuth
from chassis.identity.guard import Guard
from chassis.logs import log
from chassis.problems import handle
from chassis.redaction import keep_out_all

PUBLIC = frozenset(
    {"/", "/docs", "/docs/assets/", "/health", "/health/live", "/health/ready", "/metrics"}
    | {"/openapi.json"}
)
"""What needs no caller; a path that ends in a slash stands for all below it."""


def create_app(settings: Settings, admission: Admission) -> FastAPI:
    """The service for these settings, letting calls in through this admission."""
    keep_out_all(settings)
    app = FastAPI(
        title=TITLE,
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
    for route in (complete, stream, self_test, models, health, metrics_route):
        app.include_router(route.router)
    app.include_router(stream_ticket.router)  # removable: tickets
    app.include_router(usage.router)  # removable: usage
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
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            lane = "wire"
            lane = settings.llm_client  # removable: litellm
            metrics = Metrics(settings, app.version, lane)
            gateway = await enter(Gateway(settings.llm_gateway_url, settings.gateway_key()))

            client: ChatClient = WireClient(gateway)
            if settings.needs_litellm:  # removable: litellm
                timeout = settings.llm_timeout_seconds  # removable: litellm
                client = through_litellm(settings, timeout, gateway, client)  # removable: litellm
            warm_up = asyncio.create_task(client.warm_up())
            warm_up.add_done_callback(log_failed_warm_up)
            stack.push_async_callback(asyncio.wait, {warm_up})

            answers: Answers = AnswersInMemory()  # removable: idempotency
            tickets: Tickets = TicketsInMemory()  # removable: tickets
            elsewhere: SharedStreams | None = None  # removable: resumable
            if settings.redis_url is not None:  # removable: redis
                shared = await enter(shared_state(settings))  # removable: redis
                answers = shared.answers  # removable: redis, idempotency
                tickets = shared.tickets  # removable: redis, tickets
                elsewhere = shared.streams  # removable: redis, resumable
            stack.push_async_callback(answers.aclose)  # removable: idempotency
            admission.when_grace_is_over(answers.stop)  # removable: idempotency

            identity = await enter(identity_of(settings))
            access: ProjectAccess = AllowAll()
            if settings.openfga_api_url is not None:  # removable: openfga
                access = await enter(openfga(settings, metrics.decided))  # removable: openfga

            service = settings.service_name
            exports: list[CallExport] = []
            if settings.has_collector:
                exports.append(await enter(to_collector(settings, service)))
            trace_proof: TraceProof | None = None
            if settings.has_langfuse:  # removable: langfuse
                to_langfuse = langfuse.opened(settings, service)  # removable: langfuse
                exports.append(await enter(to_langfuse))  # removable: langfuse
                trace_proof = await enter(langfuse.trace_proof(settings))  # removable: langfuse

            streams: Streams = DirectStreams(admission)
            registry = StreamRegistry(admission)  # removable: resumable
            streams = ResumableStreams(registry, admission, elsewhere)  # removable: resumable
            stack.push_async_callback(streams.aclose)
            llm = Llm(client, settings, gateway.is_ready, [metrics.calls, *exports])
            llm.records_generations = settings.records_generations  # removable: langfuse
            yield LifespanState(
                count_refusal=metrics.refused,
                app=AppState(
                    settings=settings,
                    identity=identity,
                    access=access,
                    gateway=gateway,
                    llm=llm,
                    admission=admission,
                    warm_up=warm_up,
                    streams=streams,
                    metrics=metrics,
                    exports=exports,
                    trace_proof=trace_proof,
                    answers=answers,  # removable: idempotency
                    tickets=tickets,  # removable: tickets
                ),
            )

    return lifespan


@asynccontextmanager
async def identity_of(settings: Settings) -> AsyncGenerator[Identity]:
    """How callers are told, as `AUTH_MODE` says."""
    if settings.auth_mode == "disabled":
        yield NoAuth()
        return
    from chassis.identity.access_tokens import AccessTokens
    from chassis.identity.jwks import Jwks
    from chassis.identity.keycloak import KeycloakIdentity

    issuer, audience = settings.keycloak_issuer_url or "", settings.keycloak_audience or ""
    async with Jwks(settings.jwks_url()) as keys:
        yield KeycloakIdentity(AccessTokens(keys, issuer, audience))


async def authenticate(scope: Scope) -> dict[str, Any]:
    """The caller of this request, by a ticket where it came with one; and what that was given for.

    Raises:
        Unauthenticated, IdentityUnavailable, StateUnavailable: see `Identity.caller`, `granted`.
    """
    headers, app = Headers(scope=scope), cast(AppState, scope["state"]["app"])
    grant = await granted_by_ticket(scope, headers, app.tickets)  # removable: tickets
    if grant is not None:  # removable: tickets
        return {"caller": grant.caller, "grant": grant}  # removable: tickets
    return {"caller": await app.identity.caller(headers)}


def log_failed_warm_up(warm_up: "asyncio.Task[None]") -> None:
    if not warm_up.cancelled() and (error := warm_up.exception()):
        log.error("lane_failed_to_load", reason=f"{type(error).__name__}: {error}")


async def nobody_to_answer(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def no_content(_: Request, __: Exception) -> Response:
    return Response(status_code=204)


async def to_docs() -> RedirectResponse:
    return RedirectResponse("docs")
