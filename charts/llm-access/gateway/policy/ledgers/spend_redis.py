"""What was spent, shared by the replicas: one hash in Redis for each month.

Without Redis no call passes that has a budget. What the others spend meanwhile is kept here, and
booked before the next call that has one.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from policy.ledgers.spend import MOST_NAMES, OTHERS
from policy.refusal import Refusal

logger = logging.getLogger("gateway.policy")

FAILURES = (RedisError, OSError)
PREFIX = "gateway-policy:{spend}"
KEPT_SECONDS = 40 * 24 * 3600
ANSWER_SECONDS = 1.0
CONNECTIONS = 50
RETRY_AFTER = 5
BATCH_SECONDS = 3600
ADD = """
if not redis.call('SET', KEYS[2], 1, 'NX', 'EX', ARGV[1]) then return end
local full = redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3])
for i = 5, #ARGV, 2 do
  local name = ARGV[i]
  if full and redis.call('HEXISTS', KEYS[1], name) == 0 then name = ARGV[4] end
  redis.call('HINCRBYFLOAT', KEYS[1], name, ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is booked at once, and once however often it is sent."""

    month: str
    amounts: dict[str, float]
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(slots=True)
class SpendInRedis:
    """
    Attributes:
        waiting: what was not yet sent, by month and name.
        sent: what Redis has not confirmed.
        is_away: whether it failed the last time.
    """

    redis: Any
    waiting: dict[str, dict[str, float]] = field(default_factory=dict)
    sent: Batch | None = None
    is_booking: bool = False
    is_away: bool = False

    async def spent(self, names: Sequence[str], month: str) -> list[float]:
        try:
            await self.book()
            async with self.redis.pipeline(transaction=False) as pipeline:
                pipeline.hlen(key_of(month))
                pipeline.hmget(key_of(month), [*names, OTHERS])
                size, (*amounts, others) = await pipeline.execute()
        except FAILURES as error:
            self.failed(error)
            message = "What was spent cannot be told."
            raise Refusal(503, "budget_unavailable", message, RETRY_AFTER) from None
        self.is_away = False
        missing = (others if size >= MOST_NAMES else None) or 0
        return [float(missing if amount is None else amount) for amount in amounts]

    async def add(self, names: Sequence[str], usd: float, month: str) -> None:
        amounts = self.waiting.setdefault(month, {})
        for name in names:
            kept = name if name in amounts or len(amounts) < MOST_NAMES else OTHERS
            amounts[kept] = amounts.get(kept, 0.0) + usd
        try:
            await self.book()
        except FAILURES as error:
            self.failed(error)

    async def book(self) -> None:
        """Sends what waits, unless somebody does so already, who then sends this too."""
        if self.is_booking:
            return
        self.is_booking = True
        try:
            while self.sent or self.waiting:
                batch = self.sent = self.sent or Batch(*self.waiting.popitem())
                keys = (key_of(batch.month), f"{PREFIX}:batch:{batch.id}")
                pairs = [word for name, usd in batch.amounts.items() for word in (name, repr(usd))]
                options = (BATCH_SECONDS, KEPT_SECONDS, MOST_NAMES, OTHERS)
                await self.redis.eval(ADD, len(keys), *keys, *options, *pairs)
                self.sent = None
        finally:
            self.is_booking = False

    def failed(self, error: Exception) -> None:
        if not self.is_away:
            logger.error("no call with a budget passes: Redis is away: %s", error)
        self.is_away = True


def key_of(month: str) -> str:
    return f"{PREFIX}:{month}"


def connected(url: str) -> SpendInRedis:
    return SpendInRedis(client(url))


def client(url: str) -> Any:
    """
    Args:
        url: as `redis://` or `rediss://`.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )
    return Redis(connection_pool=pool)
