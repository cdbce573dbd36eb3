"""What stands behind each seam, as the settings say; what is not chosen is not imported."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from api.gateway.chat_client import ChatClient
from api.gateway.peer import Gateway
from api.gateway.wire_client import WireClient
from api.idempotency.answers import Answers, AnswersInMemory
from api.langfuse.trace_reader import TraceReader
from api.project_access import AllowAll, CachedAccess, CountedAccess, ProjectAccess
from api.settings import Settings
from api.tickets.tickets import Tickets, TicketsInMemory
from chassis.admission import Admission
from chassis.identity.callers import Identity, NoAuth
from chassis.identity.keycloak import KeycloakIdentity

if TYPE_CHECKING:
    from api.llm.observers import CallRecord
    from api.redis_state.streams import RedisStreams
    from chassis.telemetry.export import SpanExport

REDIS_CONNECTIONS = 50
"""Whoever finds none free waits: a thousand streams all write down their events there."""


@asynccontextmanager
async def shared_by_replicas(
    settings: Settings, admission: Admission
) -> "AsyncGenerator[tuple[Answers, Tickets, RedisStreams | None]]":
    """What has to be known to every replica: in Redis, or in memory where there is only one."""
    if settings.redis_url is None:
        answers = AnswersInMemory()
        yield answers, TicketsInMemory(), None
        await answers.aclose()
        return
    from redis.asyncio import BlockingConnectionPool, Redis

    from api.redis_state.answers import AnswersInRedis
    from api.redis_state.streams import RedisStreams
    from api.redis_state.tickets import TicketsInRedis

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
        yield in_redis, TicketsInRedis(redis), streams
        await in_redis.aclose()
        await streams.aclose()


@asynccontextmanager
async def identity_of(settings: Settings) -> AsyncGenerator[Identity]:
    """How callers are told, as `AUTH_MODE` says."""
    if settings.auth_mode == "disabled":
        yield NoAuth()
        return
    from chassis.identity.access_tokens import AccessTokens
    from chassis.identity.jwks import Jwks

    issuer, audience = settings.keycloak_issuer_url or "", settings.keycloak_audience or ""
    async with Jwks(settings.jwks_url()) as keys:
        yield KeycloakIdentity(AccessTokens(keys, issuer, audience))


@asynccontextmanager
async def span_exports(settings: Settings) -> "AsyncGenerator[list[SpanExport[CallRecord]]]":
    """Where the spans of calls go: to Langfuse, to a collector, to both or nowhere."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if not (settings.otel_enabled and settings.otel_traces_enabled):
        endpoint = None
    async with AsyncExitStack() as stack:
        exports: list[SpanExport[CallRecord]] = []
        if settings.has_langfuse or endpoint is not None:
            from api.telemetry.receivers import collector, langfuse

            if settings.has_langfuse:
                exports.append(await stack.enter_async_context(langfuse(settings)))
            if endpoint is not None:
                exports.append(await stack.enter_async_context(collector(settings, endpoint)))
        yield exports


@asynccontextmanager
async def access_of(
    settings: Settings, count: Callable[[str], None]
) -> AsyncGenerator[ProjectAccess]:
    """Who knows which projects a caller may use; what was asked of them is counted."""
    if settings.openfga_api_url is None:
        yield AllowAll()
        return
    from api.openfga.client import OpenFga

    token = settings.openfga_api_token and settings.openfga_api_token.get_secret_value()
    store_id = settings.openfga_store_id or ""
    async with OpenFga(settings.openfga_api_url, store_id, token or None) as openfga:
        yield CachedAccess(CountedAccess(openfga, count))


@asynccontextmanager
async def trace_reader_of(settings: Settings) -> AsyncGenerator[TraceReader | None]:
    """Where traces are read back from: Langfuse, where all three of its variables are set."""
    host, public, secret = (
        settings.langfuse_host,
        settings.langfuse_public_key,
        settings.langfuse_secret_key,
    )
    if host is None or public is None or secret is None:
        yield None
        return
    async with TraceReader(host, public.get_secret_value(), secret.get_secret_value()) as reader:
        yield reader


def lane_of(settings: Settings, gateway: Gateway) -> ChatClient:
    """The lane that `LLM_CLIENT` names; litellm is imported only when it is needed."""
    wire = WireClient(gateway)
    if settings.llm_client == "wire" and not settings.llm_allow_local_models:
        return wire
    from api.litellm_client.client import LitellmClient
    from api.litellm_client.local_models import LocalModels

    litellm_lane = LitellmClient(settings.llm_timeout_seconds, gateway.url, gateway.key)
    through_gateway = wire if settings.llm_client == "wire" else litellm_lane
    return (
        LocalModels(through_gateway, settings.llm_timeout_seconds)
        if settings.llm_allow_local_models
        else through_gateway
    )
