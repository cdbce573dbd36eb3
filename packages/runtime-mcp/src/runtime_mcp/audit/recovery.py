"""Calls whose gateway ended before their outcome: found by the next, or by another replica."""

import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.tables import events, writers

HEARTBEAT_SECONDS = 5.0
GONE_SECONDS = 20.0
"""A writer that was not seen for so long has ended; its open calls have had their time."""
MOST_AT_ONCE = 100


async def abandoned(engine: AsyncEngine, gone: float) -> list[dict[str, Any]]:
    """Intents without an outcome, of writers that are gone."""
    outcomes = events.alias("outcomes")
    open_ = (
        select(events)
        .join(writers, writers.c.writer == events.c.writer)
        .outerjoin(outcomes, outcomes.c.intent_id == events.c.id)
        .where(
            writers.c.seen_at < time.time() - gone,
            events.c.details["phase"].as_string() == "intent",
            outcomes.c.id.is_(None),
        )
        .limit(MOST_AT_ONCE)
    )
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(open_)).mappings()]
