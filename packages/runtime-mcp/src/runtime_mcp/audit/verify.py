"""Whether the record is whole: no chain has a gap or an edit, every outcome has its intent."""

from collections.abc import AsyncIterator

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.chain import START, link
from runtime_mcp.audit.tables import events

ROWS_AT_ONCE = 1000


async def findings(engine: AsyncEngine) -> AsyncIterator[str]:
    """A line for each thing that is wrong; none for a record that is whole."""
    every = select(events).order_by(events.c.writer, events.c.sequence)
    writer, sequence, previous = "", 0, START
    async with engine.connect() as connection:
        rows = await connection.stream(every.execution_options(yield_per=ROWS_AT_ONCE))
        async for row in rows.mappings():
            if row["writer"] != writer:
                writer, sequence, previous = row["writer"], 0, START
            sequence += 1
            where = f"writer {writer}, event {row['sequence']} ({row['id']})"
            if row["sequence"] != sequence:
                missing = row["sequence"] - sequence
                yield f"{where}: {missing} events before it are missing"
                sequence = row["sequence"]
            elif row["previous_hash"] != previous:
                yield f"{where}: does not follow the one before it"
            if link(dict(row)) != row["hash"]:
                yield f"{where}: was changed after it was written"
            previous = row["hash"]
        intents = events.alias("intents")
        orphans = (
            select(events.c.id, events.c.intent_id)
            .outerjoin(intents, intents.c.id == events.c.intent_id)
            .where(events.c.intent_id.is_not(None), intents.c.id.is_(None))
        )
        for outcome, intent in await connection.execute(orphans):
            yield f"outcome {outcome}: its intent {intent} is missing"
