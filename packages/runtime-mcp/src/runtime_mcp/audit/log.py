"""The writer of the record: what it says is recorded is committed, in order, in one chain.

Events of calls that run at the same time share a commit. Where a commit's answer was lost, the
database is asked what it has before anything more is written.
"""

import asyncio
import secrets
import time
from types import TracebackType
from typing import Self

from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from api.logs import log
from runtime_mcp.audit.chain import START, link
from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.events import AuditUnavailable, NewEvent, Outcome
from runtime_mcp.audit.recovery import GONE_SECONDS, HEARTBEAT_SECONDS, abandoned
from runtime_mcp.audit.rows import (
    Row,
    denied_row,
    intent_row,
    outcome_row,
    stamp,
    unknown_row,
)
from runtime_mcp.audit.tables import events, metadata, writers

MOST_AT_ONCE = 200
MOST_WAITING = 10_000
PATIENCE_SECONDS = 5.0


class AuditLog:
    """
    Args:
        url: of the database.
        source_pod: the name of this machine, or of its pod.
        patience: seconds that a call waits for its event to be committed.
        gone: seconds after which a writer that was not seen has ended.
    """

    def __init__(
        self,
        url: str,
        *,
        source_pod: str,
        patience: float = PATIENCE_SECONDS,
        gone: float = GONE_SECONDS,
    ) -> None:
        self._gone = gone
        self._engine = engine_of(url)
        self._pod = source_pod
        self._patience = patience
        self._writer = secrets.token_hex(16)
        self._head = (0, START)
        self._is_sure = True
        self._waiting: asyncio.Queue[tuple[Row, asyncio.Future[None]]] = asyncio.Queue(MOST_WAITING)

    async def __aenter__(self) -> Self:
        async with self._engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.execute(
                insert(writers).values(self._seen() | {"writer": self._writer})
            )
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._beat())]
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._engine.dispose()

    async def intent(self, event: NewEvent) -> str:
        """The id of the event, once it is committed.

        Raises:
            AuditUnavailable: it is not known to be.
        """
        return await self._recorded(intent_row(event))

    async def denied(self, event: NewEvent, reason: str, detail: str) -> str:
        """As `intent`, for a call that is not made."""
        return await self._recorded(denied_row(event, reason, detail))

    async def outcome(self, intent: str, event: NewEvent, outcome: Outcome) -> str:
        """As `intent`, for how the call of an intent ended."""
        return await self._recorded(outcome_row(intent, event, outcome))

    async def is_ready(self) -> bool:
        """Whether the database answers."""
        try:
            async with asyncio.timeout(self._patience), self._engine.connect() as connection:
                await connection.execute(select(writers.c.writer).limit(1))
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True

    async def _recorded(self, row: Row) -> str:
        row |= stamp(self._pod)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((row, done))
            async with asyncio.timeout(self._patience):
                await done
        except asyncio.QueueFull:
            raise AuditUnavailable(f"{MOST_WAITING} events wait already") from None
        except TimeoutError:
            raise AuditUnavailable(f"not committed within {self._patience:g} s") from None
        return str(row["id"])

    async def _write(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            # Who has given up by now was told that nothing was recorded, and has called nothing.
            batch = [(row, done) for row, done in batch if not done.done()]
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[Row, "asyncio.Future[None]"]]) -> None:
        try:
            if not self._is_sure:
                await self._look_at_the_head()
            await self._insert([row for row, _ in batch])
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._is_sure = False
            if (
                len(batch) > 1
                and isinstance(error, DBAPIError)
                and not error.connection_invalidated
            ):
                # One of them is not taken, as an outcome that is there already; the others are.
                for each in batch:
                    await self._commit([each])
                return
            log.error(
                "audit_not_written", events=len(batch), reason=f"{type(error).__name__}: {error}"
            )
            failure: AuditUnavailable | None = AuditUnavailable(type(error).__name__)
        else:
            failure = None
        for _, done in batch:
            if not done.done():
                done.set_result(None) if failure is None else done.set_exception(failure)

    async def _insert(self, rows: list[Row]) -> None:
        sequence, previous = self._head
        for row in rows:
            sequence += 1
            row |= {"writer": self._writer, "sequence": sequence, "previous_hash": previous}
            row["hash"] = previous = link(row)
        async with asyncio.timeout(self._patience), self._engine.begin() as connection:
            await connection.execute(insert(events), rows)
        self._head = (sequence, previous)

    async def _look_at_the_head(self) -> None:
        """Where the chain ends, after a commit of which nobody knows whether it was one."""
        last = (
            select(events.c.sequence, events.c.hash)
            .where(events.c.writer == self._writer)
            .order_by(events.c.sequence.desc())
            .limit(1)
        )
        async with asyncio.timeout(self._patience), self._engine.connect() as connection:
            found = (await connection.execute(last)).first()
        self._head = (0, START) if found is None else (found.sequence, found.hash)
        self._is_sure = True

    def _seen(self) -> Row:
        return {"seen_at": time.time(), "source_pod": self._pod}

    async def _beat(self) -> None:
        """Says that this writer lives, and ends what those that do not have left open."""
        while True:
            try:
                async with self._engine.begin() as connection:
                    here = writers.c.writer == self._writer
                    await connection.execute(update(writers).where(here).values(self._seen()))
                for intent in await abandoned(self._engine, self._gone):
                    await self._end(intent)
            except (SQLAlchemyError, OSError, TimeoutError, AuditUnavailable) as error:
                log.warning("audit_heartbeat_missed", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _end(self, intent: Row) -> None:
        """The outcome of a call whose gateway ended before it could say how it went."""
        await self._recorded(unknown_row(intent))
