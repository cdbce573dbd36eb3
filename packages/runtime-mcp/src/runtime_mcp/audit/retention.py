"""What is older than its time is removed from the old end of each chain, as the record itself says.

What is removed is written down before it is: the newest such event says of every chain where it
begins, so that a chain that begins later is known to be cut, and by whom.
"""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime_mcp.audit.chain import Heads, checkpoints, heads_in
from runtime_mcp.audit.tables import events, writers

ROWS_AT_ONCE = 5000
EVENTS_LOOKED_AT = 50_000
"""Of each chain and round: no question to the database takes longer because there is more."""
NEWEST = 20
"""Of two gateways that remove at the same time, each has written what the other has not."""


def days_ago(days: int) -> str:
    """As the record writes times."""
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")


async def outdated(engine: AsyncEngine, before: str) -> Heads:
    """Of each chain that has something to remove, the last event that goes in this round."""
    async with engine.connect() as connection:
        found: Heads = {}
        for writer in list((await connection.execute(select(writers.c.writer))).scalars()):
            if (last := await last_before(connection, writer, before)) is not None:
                found[writer] = last
        return found


async def last_before(
    connection: AsyncConnection, writer: str, before: str
) -> tuple[int, str] | None:
    oldest = (
        select(events.c.sequence, events.c.hash, events.c.timestamp)
        .where(events.c.writer == writer)
        .order_by(events.c.sequence)
    )
    first = (await connection.execute(oldest.limit(1))).first()
    if first is None or first.timestamp >= before:
        return None
    rows = (await connection.execute(oldest.limit(EVENTS_LOOKED_AT))).all()
    *_, last = takewhile(lambda row: row.timestamp < before, rows)
    return last.sequence, last.hash


async def removed_so_far(connection: AsyncConnection) -> Heads:
    """Of each chain, the last event that the newest events of this kind say was removed."""
    newest = (
        select(events.c.details)
        .where(events.c.org_id == "", events.c.phase == "retained")
        .order_by(events.c.timestamp.desc())
        .limit(NEWEST)
    )
    known: Heads = {}
    for details in (await connection.execute(newest)).scalars():
        known = furthest(known, heads_in(details, "removed"))
    return known


def furthest(one: Heads, other: Heads) -> Heads:
    """Of each chain the later of both."""
    return {
        writer: max(heads[writer] for heads in (one, other) if writer in heads)
        for writer in one | other
    }


async def removed_with(engine: AsyncEngine, outdated: Heads) -> Heads:
    """What is removed of each chain once these events are, too.

    Only of chains that may have events, or of which an event of another one names a head.
    """
    async with engine.connect() as connection:
        named = set((await connection.execute(select(writers.c.writer))).scalars())
        named = named.union(*await checkpoints(connection))
        known = furthest(await removed_so_far(connection), outdated)
    return {writer: head for writer, head in known.items() if writer in named}


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
    left = select(events.c.id).where(events.c.writer == writers.c.writer).exists()
    async with engine.begin() as connection:
        await connection.execute(delete(writers).where(writers.c.settled.is_(True), ~left))
    return removed
