"""What was used, in a SQLite file that the next start goes on with, or in memory without one."""

import asyncio
import sqlite3
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from policy.ledgers.usage import MOST_ACCOUNTS, Account, Batch, Row, Used, first_kept
from policy.refusal import PolicyError

SCHEMA = """
CREATE TABLE IF NOT EXISTS begun (at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS used (
  day TEXT, project TEXT, solution TEXT, model TEXT, measure TEXT, amount INTEGER,
  PRIMARY KEY (day, measure, project, solution, model)
) WITHOUT ROWID;
"""
ADD = """
INSERT INTO used VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET amount = amount + excluded.amount
"""
HAS = """
SELECT 1 FROM used WHERE day = ? AND measure = 'calls' AND (project, solution, model) = (?, ?, ?)
"""
COUNT = "SELECT count(*) FROM used WHERE day = ? AND measure = 'calls'"
READ = "SELECT day, project, solution, model, measure, amount FROM used WHERE day BETWEEN ? AND ?"


@dataclass(slots=True)
class UsageFile:
    """A store of one process. A batch is whole in it or not at all.

    It waits for no disk (`synchronous = NORMAL`): the end of the process loses nothing that was
    booked, and the end of the machine at most the last moments.
    """

    database: sqlite3.Connection
    most_accounts: int = MOST_ACCOUNTS
    last: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    scope: str = "replica"
    failures: tuple[type[Exception], ...] = (sqlite3.Error, OSError)

    async def book(self, batch: Batch, now: datetime) -> None:
        await asyncio.to_thread(self.write, batch, now)

    async def read(self, days: tuple[str, str], now: datetime) -> tuple[datetime, list[Row]]:  # noqa: ARG002 - of the protocol
        return await asyncio.to_thread(self.select, days)

    def write(self, batch: Batch, now: datetime) -> None:
        if batch.id == self.last:
            return
        with self.lock, self.database:
            for account, used in batch.used.items():
                kept = self.kept(batch.day, account)
                rows = [(batch.day, *kept, measure, amount) for measure, amount in used.items()]
                self.database.executemany(ADD, rows)
            self.database.execute("DELETE FROM used WHERE day < ?", [first_kept(now).isoformat()])
        self.last = batch.id

    def kept(self, day: str, account: Account) -> Account:
        if self.database.execute(HAS, [day, *account]).fetchone():
            return account
        ((accounts,),) = self.database.execute(COUNT, [day])
        return account if accounts < self.most_accounts else account.overflow()

    def select(self, days: tuple[str, str]) -> tuple[datetime, list[Row]]:
        with self.lock:
            ((begun,),) = self.database.execute("SELECT min(at) FROM begun")
            found: dict[tuple[str, Account], Used] = {}
            for day, *account, measure, amount in self.database.execute(READ, days):
                found.setdefault((day, Account(*account)), {})[measure] = amount
        rows = [Row(day, account, used) for (day, account), used in found.items()]
        return datetime.fromisoformat(begun), rows


def opened(path: Path | None) -> UsageFile:
    """The store of the last process, or a new one.

    Args:
        path: None for one that is forgotten at the end.

    Raises:
        PolicyError: it cannot be read, or not be written.
    """
    try:
        database = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=5)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        with database:
            database.executescript(SCHEMA)
            ((begun,),) = database.execute("SELECT count(*) FROM begun")
            if not begun:
                database.execute("INSERT INTO begun VALUES (?)", [datetime.now(UTC).isoformat()])
    except sqlite3.Error as error:
        raise PolicyError(f"{path}: cannot be used: {error}; remove it to begin anew") from error
    return UsageFile(database)
