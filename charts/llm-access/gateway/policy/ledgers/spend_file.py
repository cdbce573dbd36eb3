"""What was spent, in a file that the next start reads.

It is replaced whole and at most twice a second; the one before is kept, for a disk that tears.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from policy.ledgers.spend import Spend
from policy.refusal import PolicyError

logger = logging.getLogger("gateway.policy")

WRITES_EVERY = 0.5


@dataclass(slots=True)
class SpendFile:
    """A ledger whose process may end at any moment, and then forgets half a second at most.

    It cannot do better at an orderly end: LiteLLM tells nobody of it, and uvicorn ends the process
    by the signal, so that nothing registered with `atexit` runs.
    """

    path: Path
    spend: Spend
    written: int = 0
    at: float = float("-inf")
    writer: asyncio.Task[None] | None = field(default=None, repr=False)

    async def spent(self, names: Sequence[str], month: str) -> list[float]:
        return await self.spend.spent(names, month)

    async def add(self, names: Sequence[str], usd: float, month: str) -> None:
        await self.spend.add(names, usd, month)
        if self.writer is None or self.writer.done():
            self.writer = asyncio.create_task(self.write_until_done())

    async def write_until_done(self) -> None:
        while self.written != self.spend.changes:
            await asyncio.sleep(self.at + WRITES_EVERY - time.monotonic())
            self.at = time.monotonic()
            changes, text = self.spend.changes, as_text(self.spend)
            try:
                await asyncio.to_thread(write, self.path, text)
            except OSError as error:
                logger.error("what was spent is not saved: %s", error)  # noqa: TRY400
                continue
            self.written = changes


def opened(path: Path) -> SpendFile:
    """The ledger of the last process, or a new one.

    Raises:
        PolicyError: there is one that nobody can read, or that cannot be written.
    """
    before = path.with_name(f"{path.name}.previous")
    found = [file for file in (path, before) if file.exists()]
    spend = next((spend for file in found if (spend := read(file))), None)
    if found and spend is None:
        raise PolicyError(f"{path}: cannot be read; remove it to begin this month anew")
    kept = SpendFile(path, spend or Spend())
    try:
        write(path, as_text(kept.spend))
    except OSError as error:
        raise PolicyError(f"{path}: cannot be written: {error.strerror}") from error
    return kept


def read(file: Path) -> Spend | None:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        usd = {str(name): float(amount) for name, amount in said["usd"].items()}
        return Spend(str(said["month"]), usd)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.error("%s is torn: %s", file, error)  # noqa: TRY400 - one line is all of it
        return None


def as_text(spend: Spend) -> str:
    return json.dumps({"month": spend.month, "usd": spend.usd})


def write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists() and read(path):
        path.replace(path.with_name(f"{path.name}.previous"))
    new.replace(path)
