"""What keeps the record whole beside the writing: heartbeats, recovery, retention, heads."""

import asyncio
import time

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.logs import log
from runtime_mcp.audit.chain import heads
from runtime_mcp.audit.events import record_row, unknown_row
from runtime_mcp.audit.liveness import Liveness, abandoned, unsettled
from runtime_mcp.audit.retention import days_ago, outdated, remove, removed_with
from runtime_mcp.audit.tables import writers
from runtime_mcp.audit.writer import Writer


class Maintenance:
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
        self._liveness = Liveness(gone)
        self._days = days
        self._alive_at = time.monotonic()
        self._logged_head = writer.head

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last heartbeat in the database; without one, since the start."""
        return time.monotonic() - self._alive_at

    async def register(self) -> None:
        """Adds this writer to those whose calls are watched over."""
        here = {"writer": self._writer.name, "source_pod": self._pod, "seen_at": time.time()}
        async with self._engine.begin() as connection:
            mine = delete(writers).where(writers.c.writer == self._writer.name)
            await connection.execute(mine)
            await connection.execute(insert(writers).values(**here, ended=False, settled=False))

    async def report_alive(self, *, ended: bool = False) -> None:
        """Writes down that this writer lives, or that it ends."""
        mine = update(writers).where(writers.c.writer == self._writer.name)
        async with self._engine.begin() as connection:
            await connection.execute(mine.values(seen_at=time.time(), ended=ended))
        self._alive_at = time.monotonic()

    async def heartbeat(self) -> None:
        """Writes down that this writer lives."""
        try:
            await self.report_alive()
        except Exception:
            self._liveness.reset()
            raise

    async def recover(self) -> None:
        """Ends what those that live no more have left open; it may take longer than a beat."""
        try:
            others = await unsettled(self._engine, self._writer.name)
        except Exception:
            self._liveness.reset()
            raise
        ends = await heads(self._engine, self._writer.name)
        for writer in self._liveness.ended(others):
            async for intents in abandoned(self._engine, writer):
                rows = [self._writer.write(unknown_row(intent)) for intent in intents]
                await asyncio.gather(*rows)
            if writer in ends:
                await self._writer.write(record_row("anchored", {"heads": {writer: ends[writer]}}))
            async with self._engine.begin() as connection:
                that = update(writers).where(writers.c.writer == writer)
                await connection.execute(that.values(settled=True))

    async def retain(self) -> None:
        """Removes what is older than its time, after it was written down."""
        before = days_ago(self._days)
        while old := await outdated(self._engine, before):
            removed = await removed_with(self._engine, old)
            await self._writer.write(
                record_row("retained", {"days": self._days, "removed": removed})
            )
            count = await remove(self._engine, old)
            log.info("audit_events_removed", events=count, days=self._days)

    async def log_head(self) -> None:
        """Keeps the head of this chain outside the database: in the logs."""
        if self._writer.head == self._logged_head:
            return
        self._logged_head = sequence, digest = self._writer.head
        log.info("audit_head", writer=self._writer.name, sequence=sequence, hash=digest)
