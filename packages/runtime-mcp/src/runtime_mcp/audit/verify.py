"""Whether the record is whole: no gap, edit or lost end of a chain, no outcome without intent."""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime_mcp.audit.chain import START, checkpoints, link
from runtime_mcp.audit.retention import removed_so_far
from runtime_mcp.audit.tables import events

ROWS_AT_ONCE = 1000
Head = tuple[str, int, str]
"""A writer, a sequence, and the hash of that event."""


async def findings(
    engine: AsyncEngine, *, key: bytes = b"", heads: Iterable[Head] = ()
) -> AsyncIterator[str]:
    """A line for each thing that is wrong; none for a record that is whole.

    Args:
        key: that the hashes were made with.
        heads: that were kept elsewhere, as in the log.

    Raises:
        SQLAlchemyError, OSError: the database does not answer, or has no record.
    """
    async with one_view(engine) as connection:
        removed = await removed_so_far(connection)
        known = await known_heads(connection)
        for writer, sequence, digest in heads:
            known[writer][sequence] = digest
        every = select(events).order_by(events.c.writer, events.c.sequence)
        rows = await connection.stream(every.execution_options(yield_per=ROWS_AT_ONCE))
        chain = Chain("", 0, START)
        async for row in rows.mappings():
            if row["writer"] != chain.writer:
                for line in chain.ended(known.pop(chain.writer, {}), removed):
                    yield line
                chain = Chain.of(row, removed)
            for line in chain.follow(row, known[chain.writer], key):
                yield line
        for line in chain.ended(known.pop(chain.writer, {}), removed):
            yield line
        for writer, ends in known.items():
            for line in Chain(writer, 0, START).ended(ends, removed):
                yield line
        intents = events.alias("intents")
        orphans = (
            select(events.c.id, events.c.intent_id, intents.c.id.label("intent"))
            .outerjoin(intents, intents.c.id == events.c.intent_id)
            .where(events.c.intent_id.is_not(None), intents.c.id.is_(None))
        )
        if not removed:
            for orphan in await connection.execute(orphans):
                yield f"outcome {orphan.id}: its intent {orphan.intent_id} is missing"


class Chain:
    """The events of one writer, looked at one after the other."""

    def __init__(self, writer: str, sequence: int, previous: str) -> None:
        self.writer = writer
        self._sequence = sequence
        self._previous = previous

    @classmethod
    def of(cls, first: RowMapping, removed: dict[str, tuple[int, str]]) -> "Chain":
        """The chain that begins here, after what the record says was removed."""
        sequence, digest = removed.get(first["writer"], (0, START))
        if first["sequence"] <= sequence:
            # It is recorded as removed and still there: then all of it has to be.
            return cls(first["writer"], first["sequence"] - 1, first["previous_hash"])
        return cls(first["writer"], sequence, digest)

    def follow(self, row: RowMapping, known: dict[int, str], key: bytes) -> Iterable[str]:
        """What is wrong with the next event."""
        self._sequence += 1
        where = f"writer {self.writer}, event {row['sequence']} ({row['id']})"
        if row["sequence"] != self._sequence:
            yield f"{where}: {row['sequence'] - self._sequence} events before it are missing"
            self._sequence = row["sequence"]
        elif row["previous_hash"] != self._previous:
            yield f"{where}: does not follow the one before it"
        written: dict[str, Any] = dict(row)
        if link(written, key) != row["hash"]:
            yield f"{where}: was changed after it was written"
        if known.get(row["sequence"], row["hash"]) != row["hash"]:
            yield f"{where}: is another than the one that was there before"
        self._previous = row["hash"]

    def ended(self, known: dict[int, str], removed: dict[str, tuple[int, str]]) -> Iterable[str]:
        """What is wrong with the chain's end: it is known to have been further on."""
        gone = removed.get(self.writer, (0, START))[0]
        last = max(known, default=0)
        if last > max(self._sequence, gone):
            yield f"writer {self.writer}: the events {self._sequence + 1} to {last} are missing"


@asynccontextmanager
async def one_view(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """The record as it is now: what a gateway removes meanwhile is not taken for a gap."""
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN")
        else:
            await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


async def known_heads(connection: AsyncConnection) -> dict[str, dict[int, str]]:
    """By writer, the hashes of its events that other chains name."""
    known: dict[str, dict[int, str]] = defaultdict(dict)
    for heads in await checkpoints(connection):
        for writer, (sequence, digest) in heads.items():
            known[writer][sequence] = digest
    return known


async def open_calls(engine: AsyncEngine) -> int:
    """How many intents have no outcome yet: under way, or of a gateway that ended."""
    outcomes = events.alias("outcomes")
    open_ = (
        select(func.count())
        .select_from(events)
        .outerjoin(outcomes, outcomes.c.intent_id == events.c.id)
        .where(events.c.phase == "intent", outcomes.c.id.is_(None))
    )
    async with engine.connect() as connection:
        return int((await connection.execute(open_)).scalar_one())
