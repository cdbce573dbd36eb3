"""Reading the record: pages of what a reader may see, and new events as they are committed.

None of those is missed or shown twice, whichever gateway wrote it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.chain import last_sequence
from runtime_mcp.audit.liveness import unsettled
from runtime_mcp.audit.tables import events, writers

POLL_SECONDS = 0.5
FILTERED = {"project_id", "actor_id", "action", "resource_type", "resource_id"}
SAME = (
    "id", "timestamp", "org_id", "actor_id", "actor_type", "action", "resource_type",
    "resource_id", "source_service", "source_pod", "project_id", "trace_id",
)  # fmt: skip
"""The columns that are the platform's; the others are in `details`."""
ADDED = ("phase", "intent_id", "allowlist_revision", "writer", "sequence", "hash")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a reader may see at all.

    Attributes:
        project_id, actor_id: None where that of others is seen, too.
    """

    org_id: str
    project_id: str | None = None
    actor_id: str | None = None

    def where(self) -> ColumnElement[bool]:
        """The events in it."""
        return matching(**asdict(self))


class EventFilter(BaseModel):
    """The platform's filters; None: any. The end of the time is not in it, its start is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project_id: str | None = None
    actor_id: str | None = None
    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    def where(self) -> ColumnElement[bool]:
        """The events that fit."""
        query = matching(**self.model_dump(include=FILTERED))
        if self.start_time is not None:
            query = and_(query, events.c.timestamp >= written(self.start_time))
        if self.end_time is not None:
            query = and_(query, events.c.timestamp < written(self.end_time))
        return query


async def page_of(
    engine: AsyncEngine, scope: Scope, filters: EventFilter, *, page: int, size: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of the events, the newest first, and how many there are on all pages.

    Args:
        page: from 1.
    """
    where = and_(scope.where(), filters.where())
    newest = (events.c.timestamp.desc(), events.c.writer, events.c.sequence.desc())
    query = select(events).where(where).order_by(*newest)
    async with engine.connect() as connection:
        count = select(func.count()).select_from(events).where(where)
        total = int((await connection.execute(count)).scalar_one())
        rows = await connection.execute(query.offset((page - 1) * size).limit(size))
        return [shown(row) for row in rows.mappings()], total


async def one_of(engine: AsyncEngine, scope: Scope, event_id: str) -> dict[str, Any] | None:
    """The event of this id, if the reader may see it."""
    query: Select[Any] = select(events).where(scope.where(), events.c.id == event_id)
    async with engine.connect() as connection:
        row = (await connection.execute(query)).mappings().first()
    return None if row is None else shown(row)


def shown(row: RowMapping) -> dict[str, Any]:
    """An event as the platform's record has it."""
    details = row["details"] | {name: row[name] for name in ADDED}
    return {name: row[name] for name in SAME} | {"details": details}


def matching(**values: str | None) -> ColumnElement[bool]:
    given = [events.c[name] == value for name, value in values.items() if value is not None]
    return and_(True, *given)


def written(time: datetime) -> str:
    """As the column has it: a time that names no zone is UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


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
        await asyncio.sleep(POLL_SECONDS)
        open_now = {row.writer for row in await unsettled(engine)}
        for event in await new(engine, open_now | written_to, known):
            yield event
        # One that was settled since then has written its last events meanwhile.
        written_to = open_now


async def ends_of_chains(engine: AsyncEngine) -> dict[str, int]:
    """Where each chain is read up to: the times of different gateways do not tell what is new."""
    query = select(writers.c.writer, last_sequence())
    async with engine.connect() as connection:
        return {writer: last or 0 for writer, last in (await connection.execute(query)).all()}


async def new(
    engine: AsyncEngine, chains: Iterable[str], known: dict[str, int]
) -> list[dict[str, Any]]:
    """The events of these chains after those that are known, which then are, too."""
    found: list[dict[str, Any]] = []
    async with engine.connect() as connection:
        for writer in chains:
            query = (
                select(events)
                .where(events.c.writer == writer, events.c.sequence > known.get(writer, 0))
                .order_by(events.c.sequence)
            )
            rows = [shown(row) for row in (await connection.execute(query)).mappings()]
            if rows:
                known[writer] = rows[-1]["details"]["sequence"]
                found += rows
    return sorted(found, key=lambda event: str(event["timestamp"]))
