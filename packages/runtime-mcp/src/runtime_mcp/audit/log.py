"""The record of tool calls, as the gateway writes it, and what keeps it whole meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import select

from chassis.logs import log
from runtime_mcp.audit.chain import Heads, heads
from runtime_mcp.audit.database import engine_of, summary_of
from runtime_mcp.audit.events import (
    AuditUnavailable,
    NewEvent,
    Outcome,
    denied_row,
    intent_row,
    outcome_row,
    record_row,
)
from runtime_mcp.audit.liveness import GONE_SECONDS
from runtime_mcp.audit.maintenance import Maintenance
from runtime_mcp.audit.migrations.migrate import migrate
from runtime_mcp.audit.tables import writers
from runtime_mcp.audit.writer import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Writer

PATIENCE_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
LOG_HEAD_SECONDS = 60.0
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
        self._patience = patience
        self._beat_every = min(HEARTBEAT_SECONDS, max(gone / 4, 0.05))
        self._writer = Writer(self.engine, source_pod=source_pod, patience=patience, key=key)
        self._maintenance = Maintenance(
            self.engine, self._writer, source_pod=source_pod, gone=gone, days=retention_days
        )
        self._is_open = False
        self._is_ending = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(log_failure)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._is_ending.set()
        # 1. Not cancelled at once: a connection that is being made would be left behind.
        await asyncio.wait({self._task}, timeout=2 * self._patience)
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._maintenance.log_head()
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
    def silent_seconds(self) -> float:
        """Seconds since the last heartbeat in the database; without one, since the start."""
        return self._maintenance.silent_seconds

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
                self._every(
                    self._beat_every, self._maintenance.heartbeat, "audit_heartbeat_missed"
                ),
                self._every(self._beat_every, self._maintenance.recover, "audit_recovery_failed"),
                self._every(RETENTION_SECONDS, self._maintenance.retain, "audit_retention_failed"),
                self._every(LOG_HEAD_SECONDS, self._maintenance.log_head, "audit_head_failed"),
            )
            await self._report_end()
            self._writing.cancel()

    async def _report_end(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._writer.drained()
                await self._maintenance.report_alive(ended=True)
        except Exception as error:  # noqa: BLE001 - the others notice by its heartbeat
            log.warning("audit_end_not_said", reason=summary_of(error))

    async def _until_open(self) -> Heads | None:
        """Where the chains of the others end; None if this one ends before."""
        pause = FIRST_PAUSE_SECONDS
        while not self._is_ending.is_set():
            try:
                await migrate(self.engine)
                ends = await heads(self.engine, self._writer.name)
                await self._maintenance.register()
            except Exception as error:  # noqa: BLE001 - not ready until it is mended
                log.error("audit_not_open", reason=summary_of(error))
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                return ends
        return None

    async def _every(
        self, seconds: float, work: Callable[[], Awaitable[None]], failed: str
    ) -> None:
        """Does it again and again; a failure is a line in the log, and no end."""
        while not self._is_ending.is_set():
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the next time may go well
                log.warning(failed, reason=summary_of(error))
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_ending.wait()


def log_failure(task: "asyncio.Task[None]") -> None:
    """Without the record nothing is called, so its end is in the log."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("audit_stopped", reason=repr(error)[:1000])
