"""What was used, shared by the replicas: one hash in Redis for each day."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from policy.ledgers.spend_redis import BATCH_SECONDS, FAILURES
from policy.ledgers.usage import KEPT_DAYS, MEASURES, MOST_ACCOUNTS, Account, Batch, Row, Used

PREFIX = "gateway-policy:{usage}"
BEGUN = f"{PREFIX}:begun"
KEPT_SECONDS = (KEPT_DAYS + 1) * 86400
ADD = """
redis.call('SET', KEYS[3], ARGV[4], 'NX')
if not redis.call('SET', KEYS[2], 1, 'NX', 'EX', ARGV[1]) then return end
for i = 5, #ARGV, 4 do
  local account = ARGV[i]
  if redis.call('HEXISTS', KEYS[1], 'calls ' .. account) == 0
    and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then account = ARGV[i + 1] end
  redis.call('HINCRBY', KEYS[1], ARGV[i + 2] .. ' ' .. account, ARGV[i + 3])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


@dataclass(slots=True)
class UsageInRedis:
    """
    Attributes:
        redis: a client that decodes what it reads.
    """

    redis: Any
    scope: str = "replicas"
    failures: tuple[type[Exception], ...] = FAILURES

    async def book(self, batch: Batch, now: datetime) -> None:
        keys = (key_of(batch.day), f"{PREFIX}:batch:{batch.id}", BEGUN)
        options = (BATCH_SECONDS, KEPT_SECONDS, MOST_ACCOUNTS * len(MEASURES), now.isoformat())
        words = [
            word
            for account, used in batch.used.items()
            for measure, amount in used.items()
            for word in (json.dumps(account), json.dumps(account.overflow()), measure, amount)
        ]
        await self.redis.eval(ADD, len(keys), *keys, *options, *words)

    async def read(self, days: tuple[str, str], now: datetime) -> tuple[datetime, list[Row]]:
        first, last = map(date.fromisoformat, days)
        all_days = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.set(BEGUN, now.isoformat(), nx=True)
            pipeline.get(BEGUN)
            for day in all_days:
                pipeline.hgetall(key_of(day))
            _, begun, *hashes = await pipeline.execute()
        rows = [
            row for day, said in zip(all_days, hashes, strict=True) for row in rows_of(day, said)
        ]
        return datetime.fromisoformat(begun), rows


def rows_of(day: str, said: dict[str, str]) -> list[Row]:
    found: dict[str, Used] = {}
    for name, amount in said.items():
        measure, _, account = name.partition(" ")
        found.setdefault(account, {})[measure] = int(amount)
    return [Row(day, Account(*json.loads(account)), used) for account, used in found.items()]


def key_of(day: str) -> str:
    return f"{PREFIX}:{day}"
