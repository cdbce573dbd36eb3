"""Redis, where replicas share what they know: it answers, and it takes what is written."""

import secrets
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from api.doctor.checks import Checks, Context, Evidence, Finding, skipped

AWAY = "Redis is away: replicas know nothing of each other, calls with an Idempotency-Key fail."
WRITES = "point REDIS_URL at the primary, and look at its memory and its ACL"
ONCE: dict[str, Any] = {
    "protocol": 2,
    "socket_connect_timeout": 2.0,
    "socket_timeout": 2.0,
    "retry": Retry(NoBackoff(), 0),
}


async def checks(at: Context) -> AsyncGenerator[Finding]:
    if at.settings.redis_url is None:
        raise skipped("REDIS_URL is not set, which is right for one replica")
    url, key = at.settings.redis_url.get_secret_value(), f"doctor:{secrets.token_hex(8)}"
    asked = f"PING to {urlsplit(url).netloc.rpartition('@')[2]}"
    try:
        async with Redis.from_url(url, **ONCE) as redis:
            await redis.ping()
            yield Evidence(f"{asked}: PONG").ok("Redis answers.")
            asked = f"SET {key} EX 10"
            await redis.set(key, "written", ex=10)
            known = Evidence(f"{asked}: {await redis.getdel(key)!r}")
            yield known.ok("Redis keeps what is written.")
    except AuthenticationError as error:
        known, mend = Evidence(f"{asked}: {error}"), "set the password of REDIS_URL right"
        raise known.ended("Redis refuses the password.", mend) from None
    except (RedisError, OSError) as error:
        known = Evidence(f"{asked}: {type(error).__name__}: {error}")
        if asked.startswith("SET"):
            raise known.ended("Redis takes no writes.", WRITES) from None
        raise known.ended(AWAY, "bring the Redis of REDIS_URL back") from None


CHECKS = Checks(["redis_reachable", "redis_writes"], checks)
