"""Calls whose gateway ended before their outcome: found by the next, or by another replica."""

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.tables import events, writers

GONE_SECONDS = 20.0
"""A writer that did not say for so long that it lives has ended; its open calls had their time."""
MOST_AT_ONCE = 100


class Presence:
    """Which of the other writers have ended: they said so, or went silent before our eyes.

    Only this process's own clock counts, and only the time in which the database answered it: a
    writer that could not say that it lives, because nobody could, has not ended.

    Args:
        gone: seconds.
    """

    def __init__(self, gone: float) -> None:
        self._gone = gone
        self._since: dict[str, tuple[float, float]] = {}

    def unseen(self) -> None:
        """The database did not answer: all that was seen before counts no more."""
        self._since.clear()

    def ended(self, others: Iterable[Row[Any]]) -> list[str]:
        """Those of them that have ended."""
        now = time.monotonic()
        seen: dict[str, tuple[float, float]] = {}
        ended = []
        for other in others:
            said, since = self._since.get(other.writer, (None, now))
            seen[other.writer] = (other.seen_at, since if said == other.seen_at else now)
            if other.ended or now - seen[other.writer][1] >= self._gone:
                ended.append(other.writer)
        self._since = seen
        return ended


async def unsettled(engine: AsyncEngine, but: str = "") -> list[Row[Any]]:
    """The writers, but for this one, whose calls may not all have an outcome."""
    asked = select(writers).where(writers.c.writer != but, writers.c.settled.is_(False))
    async with engine.connect() as connection:
        return list((await connection.execute(asked)).all())


async def abandoned(engine: AsyncEngine, writer: str) -> list[dict[str, Any]]:
    """Intents of this writer without an outcome; the first of them."""
    outcomes = events.alias("outcomes")
    open_ = (
        select(events)
        .outerjoin(outcomes, outcomes.c.intent_id == events.c.id)
        .where(events.c.writer == writer, events.c.phase == "intent", outcomes.c.id.is_(None))
        .order_by(events.c.sequence)
        .limit(MOST_AT_ONCE)
    )
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(open_)).mappings()]
