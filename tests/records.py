"""Records in a database, and what is in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.tables import events, metadata
from runtime_mcp.audit.verify import findings


@asynccontextmanager
async def engine_for(url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_of(url)
    try:
        yield engine
    finally:
        await engine.dispose()


async def rows_of(url: str) -> list[dict[str, Any]]:
    """All events, chain by chain."""
    async with engine_for(url) as engine, engine.connect() as connection:
        asked = select(events).order_by(events.c.writer, events.c.sequence)
        return [dict(row) for row in (await connection.execute(asked)).mappings()]


async def found_in(url: str, **more: Any) -> list[str]:
    """What `verify` finds."""
    async with engine_for(url) as engine:
        return [line async for line in findings(engine, **more)]


async def emptied(url: str) -> str:
    """The database again, without a record."""
    async with engine_for(url) as engine, engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    return url


async def change(url: str, *statements: Any) -> None:
    """Does to the record what nobody should; each statement meets a row at least."""
    async with engine_for(url) as engine, engine.begin() as connection:
        for statement in statements:
            assert (await connection.execute(statement)).rowcount


async def without_an_end(url: str) -> set[str]:
    """The intents that have no outcome."""
    rows = await rows_of(url)
    ended = {row["intent_id"] for row in rows}
    return {row["id"] for row in rows if row["phase"] == "intent"} - ended
