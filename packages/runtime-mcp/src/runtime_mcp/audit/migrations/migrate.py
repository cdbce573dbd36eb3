"""Brings the tables to what this version writes: once, however many replicas start together."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOCK = 0x6D63705F61756469
"""The number of the lock in Postgres, which every replica takes."""


async def migrate(engine: AsyncEngine) -> None:
    """
    Raises:
        SQLAlchemyError, OSError: the database does not answer, or does not take a step.
    """
    async with alone(engine) as connection:
        await connection.run_sync(upgrade)


def upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "runtime_mcp.audit:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A transaction that no other process has at the same time."""
    if engine.dialect.name == "sqlite":
        lock = os.open(f"{engine.url.database}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            # SQLite commits each step by itself: a transaction would not keep others out.
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            async with engine.begin() as connection:
                yield connection
        finally:
            os.close(lock)
        return
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection
