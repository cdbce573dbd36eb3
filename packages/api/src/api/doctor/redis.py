"""Redis, where replicas share what they know: it answers, and it takes what is written."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from api.doctor.findings import Check, Finding, failed, ok, skipped
from api.settings import Settings

OFF = "REDIS_URL is not set, which is right for one replica"
ANSWER_SECONDS = 2.0


class RedisChecks:
    def __init__(self, settings: Settings) -> None:
        self._url = settings.redis_url and settings.redis_url.get_secret_value()

    def checks(self) -> list[Check]:
        return [
            Check("redis_reachable", self.reachable),
            Check("redis_writes", self.writes, ["redis_reachable"]),
        ]

    @property
    def _where(self) -> str:
        return urlsplit(self._url or "").netloc.rpartition("@")[2]

    @asynccontextmanager
    async def _redis(self) -> AsyncGenerator[Redis]:

        async with Redis.from_url(
            self._url or "",
            protocol=2,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as redis:
            yield redis

    async def reachable(self) -> Finding:
        if self._url is None:
            return skipped(OFF)

        asked = f"PING to {self._where}"
        try:
            async with self._redis() as redis:
                await redis.ping()
        except AuthenticationError as error:
            return failed(
                "Redis refuses the password.", f"{asked}: {error}", "set the one of REDIS_URL right"
            )
        except (RedisError, OSError) as error:
            return failed(
                "Redis is away: replicas know nothing of each other, and a call with an "
                "Idempotency-Key is refused.",
                f"{asked}: {type(error).__name__}: {error}",
                "bring the Redis of REDIS_URL back",
            )
        return ok("Redis answers.", f"{asked}: PONG")

    async def writes(self) -> Finding:
        if self._url is None:
            return skipped(OFF)

        key = f"doctor:{secrets.token_hex(8)}"
        asked = f"SET {key} EX 10 to {self._where}"
        try:
            async with self._redis() as redis:
                await redis.set(key, "written", ex=10)
                found = await redis.getdel(key)
        except (RedisError, OSError) as error:
            return failed(
                "Redis takes no writes.",
                f"{asked}: {type(error).__name__}: {error}",
                "point REDIS_URL at the primary, and look at its memory and its ACL",
            )
        return ok("Redis keeps what is written.", f"{asked}: {found!r}")
