"""The database of the record: a file of SQLite, or a Postgres. No event is in an error's text."""

from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECONDS = 5.0
MAY_PASS = (
    DBAPIError, NoConnection, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError
)  # fmt: skip
"""What a database raises that may take the same row later."""
NOT_TAKEN = ("22", "23")
"""The classes of SQLSTATE that say that a row will never be taken."""


def engine_of(
    url: str, *, patience: float | None = BUSY_SECONDS, connections: int | None = None
) -> AsyncEngine:
    """
    Args:
        url: `sqlite:///file` or `postgresql://…`, as everybody writes them.
        patience: seconds for one answer of a Postgres; None: as long as it takes.
        connections: at a time, no more; who waits for one longer than `BUSY_SECONDS` gets none.

    Raises:
        ValueError: it is of another database.
    """
    parsed = make_url(url)
    options: dict[str, Any] = {"hide_parameters": True}
    if connections is not None:
        options |= {"pool_size": connections, "max_overflow": 0, "pool_timeout": BUSY_SECONDS}
    waits: dict[str, Any] = {"timeout": BUSY_SECONDS}
    match parsed.get_backend_name():
        case "sqlite":
            file = parsed.set(drivername="sqlite+aiosqlite")
            engine = create_async_engine(file, connect_args=waits, **options)
            event.listen(engine.sync_engine, "connect", durable)
            return engine
        case "postgresql" | "postgres":
            server = parsed.set(drivername="postgresql+asyncpg")
            waits["command_timeout"] = patience
            return create_async_engine(server, connect_args=waits, pool_pre_ping=True, **options)
        case other:
            raise ValueError(f"{other} is neither sqlite nor postgresql")


def durable(connection: Any, _: object) -> None:
    """A commit is on the disk before it is said to be one."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def will_never_be_taken(error: Exception) -> bool:
    """Whether the row is at fault: the same one will not be taken later."""
    if isinstance(error, IntegrityError | DataError):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if str(getattr(cause, "sqlstate", None) or "").startswith(NOT_TAKEN):
        return True
    return not isinstance(error, MAY_PASS)


def summary_of(error: Exception) -> str:
    """Its kind and its first line, which has no parameters."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
