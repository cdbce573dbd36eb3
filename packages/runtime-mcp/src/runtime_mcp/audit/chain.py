"""The chain: each row's hash covers the row and the hash before it, so an edit or a gap shows.

With a key nobody who has the database alone can write a chain that holds. The heads of the other
chains are written into this one as checkpoints: a tail that is cut off later is missed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime_mcp.audit.tables import events, writers

START = "0" * 64
"""What stands before the first row of a writer."""
CHECKPOINTS = ("started", "anchored")
"""The phases of the events that name heads: a writer began, or another one has ended."""

Heads = dict[str, tuple[int, str]]
"""By writer, a sequence and the hash of that event."""


def link(row: Mapping[str, Any], key: bytes = b"") -> str:
    """The hash of a row over all its columns but `hash`, in the order of their names.

    Args:
        key: HMAC-SHA-256 with it; SHA-256 where it is empty.
    """
    covered = {name: row[name] for name in row if name != "hash"}
    written = msgspec.json.encode(covered, order="sorted")
    if key:
        return hmac.new(key, written, hashlib.sha256).hexdigest()
    return hashlib.sha256(written).hexdigest()


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


async def checkpoints(connection: AsyncConnection) -> list[Heads]:
    """What the events say of the heads of other chains."""
    named = select(events.c.details).where(events.c.org_id == "", events.c.phase.in_(CHECKPOINTS))
    return [heads_in(details, "heads") for details in (await connection.execute(named)).scalars()]


def last_sequence() -> ScalarSelect[int]:
    """Of a row of `writers`, where its chain ends: one look into the index, however long it is."""
    last = select(func.max(events.c.sequence)).where(events.c.writer == writers.c.writer)
    return last.correlate(writers).scalar_subquery()


def heads_in(details: dict[str, Any], name: str) -> Heads:
    """As they are read back from an event's details."""
    return {writer: (head[0], head[1]) for writer, head in details.get(name, {}).items()}
