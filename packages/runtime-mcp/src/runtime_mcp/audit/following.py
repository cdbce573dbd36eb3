"""New events as they are committed, whichever gateway wrote them; none is missed or told twice."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.anchors import last_sequence
from runtime_mcp.audit.reading import shown
from runtime_mcp.audit.recovery import unsettled
from runtime_mcp.audit.tables import events, writers

LOOK_SECONDS = 0.5


async def follow(
    engine: AsyncEngine, last: int, *, ends: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """
    Args:
        last: how many of the events that are there already come first.
        ends: after those.
    """
    known = await ends_of_chains(engine)
    async with engine.connect() as connection:
        newest = select(events).order_by(events.c.timestamp.desc()).limit(last)
        there = [shown(row) for row in (await connection.execute(newest)).mappings()]
    for event in reversed(there):
        if event["details"]["sequence"] <= known.get(event["details"]["writer"], 0):
            yield event
    written_to: set[str] = set()
    while not ends:
        await asyncio.sleep(LOOK_SECONDS)
        open_now = {row.writer for row in await unsettled(engine)}
        for event in await new(engine, open_now | written_to, known):
            yield event
        # One that was settled since then has written its last events meanwhile.
        written_to = open_now


async def ends_of_chains(engine: AsyncEngine) -> dict[str, int]:
    """Where each chain is read up to: the times of different gateways do not tell what is new."""
    asked = select(writers.c.writer, last_sequence())
    async with engine.connect() as connection:
        return {writer: last or 0 for writer, last in (await connection.execute(asked)).all()}


async def new(
    engine: AsyncEngine, chains: Iterable[str], known: dict[str, int]
) -> list[dict[str, Any]]:
    """The events of these chains after those that are known, which then are, too."""
    found: list[dict[str, Any]] = []
    async with engine.connect() as connection:
        for writer in chains:
            asked = (
                select(events)
                .where(events.c.writer == writer, events.c.sequence > known.get(writer, 0))
                .order_by(events.c.sequence)
            )
            rows = [shown(row) for row in (await connection.execute(asked)).mappings()]
            if rows:
                known[writer] = rows[-1]["details"]["sequence"]
                found += rows
    return sorted(found, key=lambda event: str(event["timestamp"]))
