"""The composition root: the only place that knows what is real."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from api import health, routes
from api.admission import Admission
from api.docs import add_docs
from api.errors import CLIENT_CLOSED_REQUEST, AccessError, Draining
from api.gateway import Gateway
from api.generations import Generations
from api.idempotency import Answers, AnswersInMemory
from api.lane import Lane
from api.llm import Llm
from api.logs import log
from api.middleware import RequestContext
from api.problems import handle
from api.settings import Settings
from api.state import Parts, State
from api.streaming import UnresumableStream
from api.waiting import ClientGone
from api.wire import WireLane

if TYPE_CHECKING:
    from api.redis_streams import RedisStreams

REDIS_CONNECTIONS = 50
"""Whoever finds none free waits: a thousand streams all write down their events there."""


def create_app(settings: Settings, admission: Admission) -> FastAPI:
    """The service for these settings, letting calls in through this admission."""
    app = FastAPI(
        title="LLM Access",
        version="0.1.0",
        description="LLM access for a solution, on the account of a project.",
        lifespan=lifespan_of(settings, admission),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(RequestContext, max_body_bytes=settings.max_body_bytes)
    if settings.cors_allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_allow_origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "X-Project-ID",
                "X-Request-ID",
                "traceparent",
            ],
            expose_headers=["X-Request-ID", "Retry-After", "Server-Timing", "Idempotent-Replayed"],
        )
    for kind in (AccessError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(ClientGone, nobody_to_answer)
    app.add_exception_handler(UnresumableStream, no_content)
    app.include_router(routes.router)
    app.include_router(health.router)
    app.add_api_route("/", to_docs, methods=["GET", "HEAD"], include_in_schema=False)
    add_docs(app)
    return app


def lifespan_of(
    settings: Settings, admission: Admission
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """The lifespan that makes what the requests share, and takes it down again."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
        async with Gateway(settings.llm_gateway_url, settings.gateway_key()) as gateway:
            lane = lane_of(settings, gateway)
            warm_up = asyncio.create_task(lane.warm_up())
            warm_up.add_done_callback(say_whether_it_loaded)
            generations = Generations(admission)
            admission.grace_is_over.add_done_callback(
                lambda _: generations.stop(Draining("the grace of the shutdown is over"))
            )
            async with shared_by_replicas(settings, admission) as (answers, redis_streams):
                admission.grace_is_over.add_done_callback(lambda _: answers.stop())
                yield State(
                    parts=Parts(
                        settings=settings,
                        gateway=gateway,
                        llm=Llm(lane, settings, gateway.is_ready),
                        admission=admission,
                        warm_up=warm_up,
                        generations=generations,
                        answers=answers,
                        redis_streams=redis_streams,
                    )
                )
                await generations.aclose()
            await asyncio.wait({warm_up})

    return lifespan


@asynccontextmanager
async def shared_by_replicas(
    settings: Settings, admission: Admission
) -> "AsyncGenerator[tuple[Answers, RedisStreams | None]]":
    """What has to be known to every replica: in Redis, or in memory where there is only one."""
    if settings.redis_url is None:
        answers = AnswersInMemory()
        yield answers, None
        await answers.aclose()
        return
    from redis.asyncio import BlockingConnectionPool, Redis

    from api.redis_answers import AnswersInRedis
    from api.redis_streams import RedisStreams

    url = settings.redis_url.get_secret_value()
    pool = BlockingConnectionPool.from_url(
        url,
        protocol=2,
        socket_connect_timeout=1,
        socket_timeout=5,
        max_connections=REDIS_CONNECTIONS,
        timeout=5,
    )
    async with Redis.from_pool(pool) as redis:
        in_redis, streams = AnswersInRedis(redis), RedisStreams(redis, admission)
        yield in_redis, streams
        await in_redis.aclose()
        await streams.aclose()


def say_whether_it_loaded(warm_up: "asyncio.Task[None]") -> None:
    if not warm_up.cancelled() and (error := warm_up.exception()):
        log.error("lane_failed_to_load", reason=f"{type(error).__name__}: {error}")


def lane_of(settings: Settings, gateway: Gateway) -> Lane:
    """The lane that `LLM_CLIENT` names; litellm is imported only when it is needed."""
    wire = WireLane(gateway)
    if settings.llm_client == "wire" and not settings.llm_allow_local_models:
        return wire
    from api.litellm_lane import LiteLlmLane
    from api.local_models import LocalModels

    litellm_lane = LiteLlmLane(settings.llm_timeout_seconds, gateway.url, gateway.key)
    through_gateway = wire if settings.llm_client == "wire" else litellm_lane
    return (
        LocalModels(through_gateway, settings.llm_timeout_seconds)
        if settings.llm_allow_local_models
        else through_gateway
    )


async def nobody_to_answer(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def no_content(_: Request, __: Exception) -> Response:
    return Response(status_code=204)


async def to_docs() -> RedirectResponse:
    return RedirectResponse("docs")
