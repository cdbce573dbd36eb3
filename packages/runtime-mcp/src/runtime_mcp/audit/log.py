"""The record of tool calls, as the gateway writes it, and what keeps it whole meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import delete, insert, select, update

from api.logs import log
from runtime_mcp.audit.anchors import Heads, heads
from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.events import AuditUnavailable, NewEvent, Outcome
from runtime_mcp.audit.migrate import migrate
from runtime_mcp.audit.recovery import GONE_SECONDS, Presence, abandoned, unsettled
from runtime_mcp.audit.retention import (
    days_ago,
    furthest,
    outdated,
    remove,
    removed_so_far,
    still_named,
)
from runtime_mcp.audit.rows import denied_row, intent_row, outcome_row, record_row, unknown_row
from runtime_mcp.audit.tables import writers
from runtime_mcp.audit.writer import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Writer, said

PATIENCE_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
SAY_HEAD_SECONDS = 60.0
RETENTION_SECONDS = 3600.0
READERS = 4
"""Who reads the record has connections of its own, so that reading keeps no event from it."""


class AuditLog:
    """
    Args:
        url: of the database.
        source_pod: the name of this machine, or of its pod.
        patience: seconds that a call waits for its event to be committed.
        gone: seconds after which a writer that went silent has ended.
        retention_days: after which events are removed.
        key: of the chain's hashes.
    """

    def __init__(
        self,
        url: str,
        *,
        source_pod: str,
        patience: float = PATIENCE_SECONDS,
        gone: float = GONE_SECONDS,
        retention_days: int = 365,
        key: bytes = b"",
    ) -> None:
        self.engine = engine_of(url)
        self.readers = engine_of(url, connections=READERS)
        self._pod = source_pod
        self._patience = patience
        self._days = retention_days
        self._presence = Presence(gone)
        self._beat_every = min(HEARTBEAT_SECONDS, max(gone / 4, 0.05))
        self._writer = Writer(self.engine, source_pod=source_pod, patience=patience, key=key)
        self._is_open = False
        self._heard_at = time.monotonic()
        self._is_ending = asyncio.Event()
        self._said_head = self._writer.head

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(say_why)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._is_ending.set()
        # 1. Not cancelled at once: a connection that is being made would be left behind.
        await asyncio.wait({self._task}, timeout=2 * self._patience)
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._say_head()
        await self.engine.dispose()
        await self.readers.dispose()

    async def intent(self, event: NewEvent) -> str:
        """The id of the event, once it is committed.

        Raises:
            AuditUnavailable: it is not known to be.
        """
        return await self._writer.write(intent_row(event))

    async def denied(self, event: NewEvent, reason: str, detail: str) -> str:
        """As `intent`, for a call that is not made; who leaves at once is recorded all the same."""
        return await self._writer.write(denied_row(event, reason, detail), is_owed=True)

    async def outcome(self, intent: str, event: NewEvent, outcome: Outcome) -> str:
        """As `intent`, for how the call of an intent ended; it is written even if this fails."""
        return await self._writer.write(outcome_row(intent, event, outcome), is_owed=True)

    async def is_ready(self) -> bool:
        """Whether events are written: the writer runs, and the database answers."""
        if not self._is_open or self._writing.done():
            return False
        try:
            async with asyncio.timeout(self._patience), self.engine.connect() as connection:
                await connection.execute(select(writers.c.writer).limit(1))
        except Exception:  # noqa: BLE001 - whatever it is, it does not answer
            return False
        return True

    @property
    def behind(self) -> float:
        """Seconds for which the database has not taken the event that is first in the row."""
        return self._writer.behind

    @property
    def unheard(self) -> float:
        """Seconds since the database took a sign of life; since the start, where it took none."""
        return time.monotonic() - self._heard_at

    async def _run(self) -> None:
        """Opens the record, however long the database takes to be there, and keeps it."""
        ends = await self._until_open()
        if ends is None:
            return
        async with asyncio.TaskGroup() as tasks:
            self._writing = tasks.create_task(self._writer.run())
            with suppress(AuditUnavailable):
                await self._writer.write(record_row("started", {"heads": ends}), is_owed=True)
            self._is_open = True
            await asyncio.gather(
                self._every(self._beat_every, self._beat, "audit_heartbeat_missed"),
                self._every(self._beat_every, self._recover, "audit_recovery_failed"),
                self._every(RETENTION_SECONDS, self._retain, "audit_retention_failed"),
                self._every(SAY_HEAD_SECONDS, self._say_head, "audit_head_failed"),
            )
            await self._say_that_it_ends()
            self._writing.cancel()

    async def _say_that_it_ends(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._writer.drained()
                await self._seen(ended=True)
        except Exception as error:  # noqa: BLE001 - others will find out by its silence
            log.warning("audit_end_not_said", reason=said(error))

    async def _until_open(self) -> Heads | None:
        """Where the chains of the others end; None if this one ends before."""
        pause = FIRST_PAUSE_SECONDS
        while not self._is_ending.is_set():
            try:
                await migrate(self.engine)
                ends = await heads(self.engine, self._writer.name)
                await self._enrol()
            except Exception as error:  # noqa: BLE001 - not ready until it is mended, and says why
                log.error("audit_not_open", reason=said(error))
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                return ends
        return None

    async def _enrol(self) -> None:
        here = {"writer": self._writer.name, "source_pod": self._pod, "seen_at": time.time()}
        async with self.engine.begin() as connection:
            mine = delete(writers).where(writers.c.writer == self._writer.name)
            await connection.execute(mine)
            await connection.execute(insert(writers).values(**here, ended=False, settled=False))

    async def _seen(self, *, ended: bool = False) -> None:
        """Says that this writer lives, or that it ends."""
        mine = update(writers).where(writers.c.writer == self._writer.name)
        async with self.engine.begin() as connection:
            await connection.execute(mine.values(seen_at=time.time(), ended=ended))
        self._heard_at = time.monotonic()

    async def _beat(self) -> None:
        """Says that this writer lives."""
        try:
            await self._seen()
        except Exception:
            self._presence.unseen()
            raise

    async def _recover(self) -> None:
        """Ends what those that live no more have left open; it may take longer than a beat."""
        try:
            others = await unsettled(self.engine, self._writer.name)
        except Exception:
            self._presence.unseen()
            raise
        ends = await heads(self.engine, self._writer.name)
        for writer in self._presence.ended(others):
            async for intents in abandoned(self.engine, writer):
                rows = [self._writer.write(unknown_row(intent)) for intent in intents]
                await asyncio.gather(*rows)
            if writer in ends:
                await self._writer.write(record_row("anchored", {"heads": {writer: ends[writer]}}))
            await self._settle(writer)

    async def _settle(self, writer: str) -> None:
        async with self.engine.begin() as connection:
            that = update(writers).where(writers.c.writer == writer)
            await connection.execute(that.values(settled=True))

    async def _retain(self) -> None:
        before = days_ago(self._days)
        while old := await outdated(self.engine, before):
            named = await still_named(self.engine)
            async with self.engine.connect() as connection:
                known = furthest(await removed_so_far(connection), old)
            removed = {writer: head for writer, head in known.items() if writer in named}
            said_first = record_row("retained", {"days": self._days, "removed": removed})
            await self._writer.write(said_first)
            log.info("audit_events_removed", events=await remove(self.engine, old), days=self._days)

    async def _say_head(self) -> None:
        """What the end of this chain is, kept outside the database: with the logs."""
        if self._writer.head == self._said_head:
            return
        self._said_head = sequence, digest = self._writer.head
        log.info("audit_head", writer=self._writer.name, sequence=sequence, hash=digest)

    async def _every(
        self, seconds: float, work: Callable[[], Awaitable[None]], failed: str
    ) -> None:
        """Does it again and again; a failure is a line in the log, and no end."""
        while not self._is_ending.is_set():
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the next time may go well
                log.warning(failed, reason=said(error))
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_ending.wait()


def say_why(task: "asyncio.Task[None]") -> None:
    """Without the record nothing is called: that it ended on its own is a line, and not silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("audit_stopped", reason=repr(error)[:1000])
