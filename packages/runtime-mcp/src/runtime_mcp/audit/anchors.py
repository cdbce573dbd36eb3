"""The ends of the other chains, written into this one: a tail that is cut off later is missed."""

from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.tables import events, writers

ANCHORS = ("started", "anchored")
"""The phases of the events that tell of ends: a writer began, or another one has ended."""

Heads = dict[str, tuple[int, str]]
"""By writer, a sequence and the hash of that event."""


async def heads(engine: AsyncEngine, but: str) -> Heads:
    """Where the chains of the other writers end, of those that are not settled."""
    last = (
        select(events.c.writer, func.max(events.c.sequence).label("sequence"))
        .join(writers, writers.c.writer == events.c.writer)
        .where(writers.c.writer != but, writers.c.settled.is_(False))
        .group_by(events.c.writer)
        .subquery()
    )
    here = and_(events.c.writer == last.c.writer, events.c.sequence == last.c.sequence)
    asked = select(events.c.writer, events.c.sequence, events.c.hash).join(last, here)
    async with engine.connect() as connection:
        return {row.writer: (row.sequence, row.hash) for row in await connection.execute(asked)}


def heads_in(details: dict[str, Any], name: str) -> Heads:
    """As they are read back from an event's details."""
    return {writer: (head[0], head[1]) for writer, head in details.get(name, {}).items()}
