"""What is older than its time goes: from the old end of each chain, and the record says so itself.

What is removed is written down before it is: the newest such event says of every chain where it
begins, so that a chain that begins later is known to be cut, and by whom.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime_mcp.audit.anchors import ANCHORS, Heads, heads_in
from runtime_mcp.audit.tables import events, writers

ROWS_AT_ONCE = 5000


async def outdated(engine: AsyncEngine, days: int) -> Heads:
    """Of each chain that has something to remove, its last event that goes."""
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
    async with engine.connect() as connection:
        old = select(events.c.writer).where(events.c.timestamp < before).distinct()
        found: Heads = {}
        for writer in list((await connection.execute(old)).scalars()):
            head = await last_before(connection, writer, before)
            if head is not None:
                found[writer] = head
    return found


async def last_before(
    connection: AsyncConnection, writer: str, before: str
) -> tuple[int, str] | None:
    mine = events.c.writer == writer
    young = select(func.min(events.c.sequence)).where(mine, events.c.timestamp >= before)
    first_kept = (await connection.execute(young)).scalar()
    last = select(events.c.sequence, events.c.hash).where(mine)
    if first_kept is not None:
        last = last.where(events.c.sequence < first_kept)
    found = (await connection.execute(last.order_by(events.c.sequence.desc()).limit(1))).first()
    return None if found is None else (found.sequence, found.hash)


async def removed_so_far(engine: AsyncEngine) -> Heads:
    """Of each chain, the last event that the newest event of this kind says was removed."""
    newest = (
        select(events.c.details)
        .where(events.c.phase == "retained")
        .order_by(events.c.timestamp.desc())
        .limit(1)
    )
    async with engine.connect() as connection:
        details = (await connection.execute(newest)).scalar()
    return {} if details is None else heads_in(details, "removed")


async def still_named(engine: AsyncEngine) -> set[str]:
    """The chains that have events, or of which an event of another one tells."""
    async with engine.connect() as connection:
        named = set((await connection.execute(select(events.c.writer).distinct())).scalars())
        started = select(events.c.details).where(events.c.phase.in_(ANCHORS))
        for details in (await connection.execute(started)).scalars():
            named |= set(heads_in(details, "heads"))
    return named


async def remove(engine: AsyncEngine, up_to: Heads) -> int:
    """Removes the old ends of these chains; returns how many events that were."""
    removed = 0
    for writer, (sequence, _) in up_to.items():
        while True:
            some = (
                select(events.c.id)
                .where(events.c.writer == writer, events.c.sequence <= sequence)
                .order_by(events.c.sequence)
                .limit(ROWS_AT_ONCE)
            )
            async with engine.begin() as connection:
                gone = await connection.execute(delete(events).where(events.c.id.in_(some)))
                removed += gone.rowcount
            if gone.rowcount < ROWS_AT_ONCE:
                break
    left = select(events.c.writer).distinct()
    async with engine.begin() as connection:
        await connection.execute(
            delete(writers).where(writers.c.settled.is_(True), writers.c.writer.not_in(left))
        )
    return removed
