"""Tickets where there are several replicas: one gives it, any takes it, once."""

import secrets
from typing import Any

import msgspec
from redis.asyncio import Redis

from api.call_key import digest_of
from api.redis_state.failures import or_unavailable
from api.tickets.tickets import LIFETIME_SECONDS, Grant, must_be_a_share


class TicketsInRedis:
    """See `Tickets`.

    Args:
        redis: shared by the replicas.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, grant: Grant) -> str:
        """See `Tickets.issue`."""
        ticket, data = secrets.token_urlsafe(32), msgspec.json.encode(grant)
        share = f"llm:tickets-of:{digest_of(grant.caller.key)}"
        async with or_unavailable():
            await self._redis.set(share, 0, ex=LIFETIME_SECONDS, nx=True)
            must_be_a_share(await self._redis.incrby(share, len(data)))
            await self._redis.set(name_of(ticket), data, ex=LIFETIME_SECONDS)
        return ticket

    async def redeem(self, ticket: str) -> Grant | None:
        """See `Tickets.redeem`."""
        async with or_unavailable():
            data: Any = await self._redis.getdel(name_of(ticket))
        return None if data is None else msgspec.json.decode(data, type=Grant)


def name_of(ticket: str) -> str:
    return f"llm:ticket:{digest_of(ticket)}"
