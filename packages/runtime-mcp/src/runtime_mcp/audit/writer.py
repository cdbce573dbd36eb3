"""The writer of one chain: what it says is recorded is committed, once and in order.

Events of calls that run at the same time share a commit. Where a commit's answer was lost, the
database is asked what it has before anything is written again.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.logs import log
from runtime_mcp.audit.chain import START, link
from runtime_mcp.audit.database import summary_of, will_never_be_taken
from runtime_mcp.audit.events import AuditUnavailable, PendingEvent, Row, not_made_row, stamp
from runtime_mcp.audit.tables import events

MOST_AT_ONCE = 200
MOST_WAITING = 10_000
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


class Writer:
    """
    Args:
        source_pod: the name of this machine, or of its pod.
        patience: seconds that an event has to be committed in.
        key: of the chain's hashes.
    """

    def __init__(
        self, engine: AsyncEngine, *, source_pod: str, patience: float, key: bytes = b""
    ) -> None:
        self.name = secrets.token_hex(16)
        self.head = (0, START)
        """The sequence and the hash of the last event that is known to be committed."""
        self._engine = engine
        self._pod = source_pod
        self._patience = patience
        self._key = key
        # A file answers in the end, and a statement that is left alone in it goes on and keeps its
        # lock. Who waits for an event has a clock of its own.
        self._commit = None if engine.dialect.name == "sqlite" else patience
        self._is_sure = True
        self._in_doubt: dict[str, Row] = {}
        self._waiting: asyncio.Queue[PendingEvent] = asyncio.Queue()
        self._writing_since: float | None = None

    @property
    def behind(self) -> float:
        """Seconds for which the database has not taken what is first in the row."""
        return 0.0 if self._writing_since is None else time.monotonic() - self._writing_since

    async def write(self, row: Row, *, is_owed: bool = False) -> str:
        """The id of the event, once it is committed.

        Args:
            is_owed: it will be written even after this has failed.

        Raises:
            AuditUnavailable: it is not known to be.
        """
        entry = self._put(row, is_owed=is_owed)
        try:
            async with asyncio.timeout(self._patience):
                await (asyncio.shield(entry.done) if is_owed else entry.done)
        except TimeoutError:
            if not entry.is_committed:
                raise AuditUnavailable(f"not committed within {self._patience:g} s") from None
        except asyncio.CancelledError:
            if entry.is_committed and not is_owed:
                self._not_made(row)
            raise
        finally:
            entry.forget()
        return str(row["id"])

    async def run(self) -> None:
        """Writes what comes, until it is cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            self._writing_since = time.monotonic()
            for entry in batch:
                entry.is_taken = True
            await self._written(batch)
            self._writing_since = None
            for _ in batch:
                self._waiting.task_done()

    async def drained(self) -> None:
        """Returns once nothing waits."""
        await self._waiting.join()

    def _put(self, row: Row, *, is_owed: bool) -> PendingEvent:
        row |= stamp(self._pod)
        # An outcome has its place: there are no more of them than intents that had one.
        if self._waiting.qsize() >= MOST_WAITING and row["phase"] != "outcome":
            raise AuditUnavailable(f"{MOST_WAITING} events wait already")
        entry = PendingEvent(row, asyncio.get_running_loop().create_future(), is_owed)
        self._waiting.put_nowait(entry)
        return entry

    async def _written(self, batch: Sequence[PendingEvent]) -> None:
        """Returns once each of them is committed, not taken for good, or given up."""
        pause = FIRST_PAUSE_SECONDS
        left = list(batch)
        while left := [entry for entry in left if entry.is_wanted]:
            try:
                left = await self._look(left)
                await self._insert(left)
            except Exception as error:  # noqa: BLE001 - nothing may end the writer; sorted below
                self._is_sure = False
                if not will_never_be_taken(error):
                    log.error("audit_not_written", events=len(left), reason=summary_of(error))
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                elif len(left) == 1:
                    log.error(
                        "audit_event_not_taken", reason=summary_of(error), id=left[0].row["id"]
                    )
                    left[0].fail(error)
                    return
                else:
                    for entry in left:
                        await self._written([entry])
                    return
            else:
                for entry in left:
                    self._committed(entry)
                return

    async def _insert(self, entries: list[PendingEvent]) -> None:
        if not entries:
            return
        sequence, previous = self.head
        for entry in entries:
            sequence += 1
            row = entry.row
            row |= {"writer": self.name, "sequence": sequence, "previous_hash": previous}
            row["hash"] = previous = link(row, self._key)
        self._in_doubt |= {entry.row["id"]: entry.row for entry in entries}
        async with asyncio.timeout(self._commit), self._engine.begin() as connection:
            await connection.execute(insert(events), [entry.row for entry in entries])
        self._in_doubt.clear()
        self.head = (sequence, previous)

    async def _look(self, entries: list[PendingEvent]) -> list[PendingEvent]:
        """Those that are not committed, after a commit of which nobody knows whether it was one."""
        if self._is_sure:
            return entries
        mine = select(events.c.id, events.c.sequence, events.c.hash).where(
            events.c.writer == self.name, events.c.sequence > self.head[0]
        )
        async with asyncio.timeout(self._patience), self._engine.connect() as connection:
            found = (await connection.execute(mine.order_by(events.c.sequence))).all()
        # What is in the database before this writer's own head is not asked for: were it gone, the
        # next event would follow the hash of one that is missing, and that shows.
        if found:
            self.head = (found[-1].sequence, found[-1].hash)
        there = {row.id for row in found}
        waiting = {entry.row["id"] for entry in entries}
        for entry in entries:
            if entry.row["id"] in there:
                self._committed(entry)
        for id_ in there - waiting:
            self._not_made(self._in_doubt.get(id_, {}))
        self._in_doubt.clear()
        self._is_sure = True
        return [entry for entry in entries if entry.row["id"] not in there]

    def _committed(self, entry: PendingEvent) -> None:
        if not entry.done.done():
            entry.done.set_result(None)
        elif not entry.is_owed:
            self._not_made(entry.row)

    def _not_made(self, row: Row) -> None:
        """The intent is committed and its caller is gone: nothing is called, and that is said."""
        if row.get("phase") == "intent":
            self._put(not_made_row(row), is_owed=True)
