"""The ends of the other chains, written into this one: a tail that is cut off later is missed."""

from typing import Any

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime_mcp.audit.tables import events, writers

ANCHORS = ("started", "anchored")
"""The phases of the events that tell of ends: a writer began, or another one has ended."""

Heads = dict[str, tuple[int, str]]
"""By writer, a sequence and the hash of that event."""


async def heads(engine: AsyncEngine, but: str) -> Heads:
    """Where the chains of the other writers end, of those that are not settled."""
    others = select(writers.c.writer).where(writers.c.writer != but, writers.c.settled.is_(False))
    last = select(events.c.sequence, events.c.hash).order_by(events.c.sequence.desc()).limit(1)
    found: Heads = {}
    async with engine.connect() as connection:
        for writer in list((await connection.execute(others)).scalars()):
            row = (await connection.execute(last.where(events.c.writer == writer))).first()
            if row is not None:
                found[writer] = (row.sequence, row.hash)
    return found


async def told_of(connection: AsyncConnection) -> list[Heads]:
    """What the events tell of the ends of other chains."""
    told = select(events.c.details).where(events.c.org_id == "", events.c.phase.in_(ANCHORS))
    return [heads_in(details, "heads") for details in (await connection.execute(told)).scalars()]


def last_sequence() -> ScalarSelect[int]:
    """Of a row of `writers`, where its chain ends: one look into the index, however long it is."""
    last = select(func.max(events.c.sequence)).where(events.c.writer == writers.c.writer)
    return last.correlate(writers).scalar_subquery()


def heads_in(details: dict[str, Any], name: str) -> Heads:
    """As they are read back from an event's details."""
    return {writer: (head[0], head[1]) for writer, head in details.get(name, {}).items()}
