"""What keeps the record whole beside the writing: signs of life, recovery, retention, heads."""

import asyncio
import time

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.logs import log
from runtime_mcp.audit.anchors import heads
from runtime_mcp.audit.recovery import Presence, abandoned, unsettled
from runtime_mcp.audit.retention import (
    days_ago,
    furthest,
    outdated,
    remove,
    removed_so_far,
    still_named,
)
from runtime_mcp.audit.rows import record_row, unknown_row
from runtime_mcp.audit.tables import writers
from runtime_mcp.audit.writer import Writer


class Upkeep:
    """
    Args:
        gone: seconds after which a writer that went silent has ended.
        days: after which events are removed.
    """

    def __init__(
        self, engine: AsyncEngine, writer: Writer, *, source_pod: str, gone: float, days: int
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._pod = source_pod
        self._presence = Presence(gone)
        self._days = days
        self._heard_at = time.monotonic()
        self._said_head = writer.head

    @property
    def unheard(self) -> float:
        """Seconds since the database took a sign of life; since the start, where it took none."""
        return time.monotonic() - self._heard_at

    async def enrol(self) -> None:
        """Says that this writer begins."""
        here = {"writer": self._writer.name, "source_pod": self._pod, "seen_at": time.time()}
        async with self._engine.begin() as connection:
            mine = delete(writers).where(writers.c.writer == self._writer.name)
            await connection.execute(mine)
            await connection.execute(insert(writers).values(**here, ended=False, settled=False))

    async def seen(self, *, ended: bool = False) -> None:
        """Says that this writer lives, or that it ends."""
        mine = update(writers).where(writers.c.writer == self._writer.name)
        async with self._engine.begin() as connection:
            await connection.execute(mine.values(seen_at=time.time(), ended=ended))
        self._heard_at = time.monotonic()

    async def beat(self) -> None:
        """Says that this writer lives."""
        try:
            await self.seen()
        except Exception:
            self._presence.unseen()
            raise

    async def recover(self) -> None:
        """Ends what those that live no more have left open; it may take longer than a beat."""
        try:
            others = await unsettled(self._engine, self._writer.name)
        except Exception:
            self._presence.unseen()
            raise
        ends = await heads(self._engine, self._writer.name)
        for writer in self._presence.ended(others):
            async for intents in abandoned(self._engine, writer):
                rows = [self._writer.write(unknown_row(intent)) for intent in intents]
                await asyncio.gather(*rows)
            if writer in ends:
                await self._writer.write(record_row("anchored", {"heads": {writer: ends[writer]}}))
            await self._settle(writer)

    async def _settle(self, writer: str) -> None:
        async with self._engine.begin() as connection:
            that = update(writers).where(writers.c.writer == writer)
            await connection.execute(that.values(settled=True))

    async def retain(self) -> None:
        """Removes what is older than its time, after it was written down."""
        before = days_ago(self._days)
        while old := await outdated(self._engine, before):
            named = await still_named(self._engine)
            async with self._engine.connect() as connection:
                known = furthest(await removed_so_far(connection), old)
            removed = {writer: head for writer, head in known.items() if writer in named}
            said_first = record_row("retained", {"days": self._days, "removed": removed})
            await self._writer.write(said_first)
            log.info(
                "audit_events_removed", events=await remove(self._engine, old), days=self._days
            )

    async def say_head(self) -> None:
        """What the end of this chain is, kept outside the database: with the logs."""
        if self._writer.head == self._said_head:
            return
        self._said_head = sequence, digest = self._writer.head
        log.info("audit_head", writer=self._writer.name, sequence=sequence, hash=digest)
