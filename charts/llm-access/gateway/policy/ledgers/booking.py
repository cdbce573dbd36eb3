"""Books what was used without holding up a call, and says what is booked."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from policy.ledgers.usage import (
    MOST_ACCOUNTS,
    Account,
    Batch,
    Row,
    UsageStore,
    Used,
    add,
    day_of,
    first_kept,
    used,
)
from policy.outcomes import Outcome
from policy.refusal import Refusal

logger = logging.getLogger("gateway.policy")

WRITES_EVERY = 0.05
TRIES_EVERY = 1.0
RETRY_AFTER = 5


@dataclass(frozen=True, slots=True)
class Booked:
    """
    Attributes:
        since: from then on nothing is missing.
    """

    since: datetime
    scope: str
    rows: Sequence[Row]


@dataclass(slots=True)
class Booking:
    """
    Attributes:
        waiting: what the store does not have, by day; while it is away this is bounded as a day
            of the store is.
    """

    store: UsageStore
    waiting: dict[str, dict[Account, Used]] = field(default_factory=dict)
    sent: Batch | None = None
    is_away: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    writer: asyncio.Task[None] | None = field(default=None, repr=False)

    def add(self, said: Outcome, now: datetime) -> None:
        """Adds an attempt; what was refused before one adds nothing."""
        if said.seconds is None:
            return
        accounts = self.waiting.setdefault(day_of(now), {})
        account = Account(said.project, said.solution, said.model)
        if account not in accounts and len(accounts) >= MOST_ACCOUNTS:
            account = account.overflow()
        add(accounts.setdefault(account, {}), used(said))
        if self.writer is None or self.writer.done():
            self.writer = asyncio.create_task(self.write_until_done())

    async def write_until_done(self) -> None:
        while self.sent or self.waiting:
            await asyncio.sleep(TRIES_EVERY if self.is_away else WRITES_EVERY)
            try:
                await self.write()
            except self.store.failures as error:
                self.failed(error)

    async def write(self) -> None:
        """
        Raises:
            Exception: one of the store's failures; the batch is sent again the next time.
        """
        async with self.writing:
            while self.sent or self.waiting:
                self.sent = self.sent or Batch(secrets.token_hex(16), *self.waiting.popitem())
                await self.store.book(self.sent, datetime.now(UTC))
                self.sent = None
            self.is_away = False

    async def read(self, days: tuple[str, str]) -> Booked:
        """What was booked on these days, both included.

        Raises:
            Refusal: 503, it cannot be told.
        """
        now = datetime.now(UTC)
        try:
            await self.write()
            begun, rows = await self.store.read(days, now)
        except self.store.failures as error:
            self.failed(error)
            raise Refusal(
                503, "usage_unavailable", "What was used cannot be told.", RETRY_AFTER
            ) from None
        oldest = datetime.combine(first_kept(now), time(), UTC)
        return Booked(max(begun, oldest), self.store.scope, rows)

    def failed(self, error: Exception) -> None:
        if not self.is_away:
            logger.error("what is used waits to be booked: %s", error)
        self.is_away = True
