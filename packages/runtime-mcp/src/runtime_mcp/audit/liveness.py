"""Calls whose gateway ended before their outcome: found by the next, or by another replica."""

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.events import KEPT
from runtime_mcp.audit.tables import events, writers

GONE_SECONDS = 20.0
"""A writer without a heartbeat for so long has ended; its open calls had their time."""
MOST_AT_ONCE = 100
EVENTS_AT_ONCE = 5000


class Liveness:
    """Which of the other writers have ended: they wrote it down, or have had no heartbeat.

    Only this process's own clock counts, and only the time in which the database answered it: a
    writer whose heartbeat could not be written, because none could, has not ended.

    Args:
        gone: seconds.
    """

    def __init__(self, gone: float) -> None:
        self._gone = gone
        self._since: dict[str, tuple[float, float]] = {}

    def reset(self) -> None:
        """The database did not answer: all that was seen before counts no more."""
        self._since.clear()

    def ended(self, others: Iterable[Row[Any]]) -> list[str]:
        """Those of them that have ended."""
        now = time.monotonic()
        seen: dict[str, tuple[float, float]] = {}
        ended = []
        for other in others:
            before, since = self._since.get(other.writer, (None, now))
            seen[other.writer] = (other.seen_at, since if before == other.seen_at else now)
            if other.ended or now - seen[other.writer][1] >= self._gone:
                ended.append(other.writer)
        self._since = seen
        return ended


async def unsettled(engine: AsyncEngine, but: str = "") -> list[Row[Any]]:
    """The writers, but for this one, whose calls may not all have an outcome."""
    asked = select(writers).where(writers.c.writer != but, writers.c.settled.is_(False))
    async with engine.connect() as connection:
        return list((await connection.execute(asked)).all())


async def abandoned(engine: AsyncEngine, writer: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Intents of this writer without an outcome: what an outcome needs of them, some at a time.

    A chain may be of millions of events, so it is looked through piece by piece.
    """
    mine = events.c.writer == writer
    ends = select(func.min(events.c.sequence), func.max(events.c.sequence)).where(mine)
    async with engine.connect() as connection:
        first, last = (await connection.execute(ends)).one()
    if first is None:
        return
    outcomes = events.alias("outcomes")
    open_ = (
        select(*(events.c[name] for name in ("id", *KEPT)))
        .outerjoin(outcomes, outcomes.c.intent_id == events.c.id)
        .where(mine, events.c.phase == "intent", outcomes.c.id.is_(None))
    )
    for low in range(first, last + 1, EVENTS_AT_ONCE):
        piece = open_.where(events.c.sequence.between(low, low + EVENTS_AT_ONCE - 1))
        async with engine.connect() as connection:
            found = [dict(row) for row in (await connection.execute(piece)).mappings()]
        for start in range(0, len(found), MOST_AT_ONCE):
            yield found[start : start + MOST_AT_ONCE]
