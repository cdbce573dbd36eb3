"""What the record shows: pages of the events that a reader may see, as the platform has them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime_mcp.audit.tables import events

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
        return matching(org_id=self.org_id, project_id=self.project_id, actor_id=self.actor_id)


class Wanted(BaseModel):
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
        """The events that are wanted."""
        asked = matching(
            project_id=self.project_id,
            actor_id=self.actor_id,
            action=self.action,
            resource_type=self.resource_type,
            resource_id=self.resource_id,
        )
        if self.start_time is not None:
            asked = and_(asked, events.c.timestamp >= written(self.start_time))
        if self.end_time is not None:
            asked = and_(asked, events.c.timestamp < written(self.end_time))
        return asked


async def page_of(
    engine: AsyncEngine, scope: Scope, wanted: Wanted, *, page: int, size: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of the events, the newest first, and how many there are on all pages.

    Args:
        page: from 1.
    """
    where = and_(scope.where(), wanted.where())
    newest = (events.c.timestamp.desc(), events.c.writer, events.c.sequence.desc())
    asked = select(events).where(where).order_by(*newest)
    async with engine.connect() as connection:
        count = select(func.count()).select_from(events).where(where)
        total = int((await connection.execute(count)).scalar_one())
        rows = await connection.execute(asked.offset((page - 1) * size).limit(size))
        return [shown(row) for row in rows.mappings()], total


async def one_of(engine: AsyncEngine, scope: Scope, event_id: str) -> dict[str, Any] | None:
    """The event of this id, if the reader may see it."""
    asked: Select[Any] = select(events).where(scope.where(), events.c.id == event_id)
    async with engine.connect() as connection:
        row = (await connection.execute(asked)).mappings().first()
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
