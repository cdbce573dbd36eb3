"""State that several replicas share, in Redis."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from api.idempotency.answers import Answers  # removable: idempotency
from api.redis_state.settings import RedisSettings
from api.resumable.registry import SharedStreams  # removable: resumable
from api.tickets.tickets import Tickets  # removable: tickets

CONNECTIONS = 50
"""Whoever finds none free waits: a thousand streams all write down their events there."""


@dataclass(frozen=True, slots=True)
class SharedState:
    """What has to be known to every replica."""

    answers: Answers  # removable: idempotency
    tickets: Tickets  # removable: tickets
    streams: SharedStreams  # removable: resumable


@asynccontextmanager
async def opened(settings: RedisSettings) -> AsyncGenerator[SharedState]:
    """The state that is in the Redis of `REDIS_URL`, for as long as the block."""
    from redis.asyncio import BlockingConnectionPool, Redis

    from api.redis_state.answers import AnswersInRedis  # removable: idempotency
    from api.redis_state.streams import RedisStreams  # removable: resumable
    from api.redis_state.tickets import TicketsInRedis  # removable: tickets

    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    pool = BlockingConnectionPool.from_url(
        url,
        protocol=2,
        socket_connect_timeout=1,
        socket_timeout=5,
        max_connections=CONNECTIONS,
        timeout=5,
    )
    async with Redis.from_pool(pool) as redis:
        streams = RedisStreams(redis)  # removable: resumable
        yield SharedState(
            answers=AnswersInRedis(redis),  # removable: idempotency
            tickets=TicketsInRedis(redis),  # removable: tickets
            streams=streams,  # removable: resumable
        )
        await streams.aclose()  # removable: resumable
