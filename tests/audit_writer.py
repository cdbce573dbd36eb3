"""Writes calls into a record until it is killed; prints each intent once it is committed."""

import asyncio
import sys

from chassis.logs import configure_logs
from runtime_mcp.audit.events import NewEvent, Outcome
from runtime_mcp.audit.log import AuditLog


def event(number: int) -> NewEvent:
    return NewEvent(
        "acme", "ada", "service", "demo", f"files.{number}", "0" * 32, 2, "0", "r", None
    )


async def write(url: str) -> None:
    async with AuditLog(url, source_pod="test") as record:

        async def call(number: int) -> None:
            intent = await record.intent(event(number))
            sys.stdout.write(f"{intent}\n")
            sys.stdout.flush()
            await asyncio.sleep(0.01)
            await record.outcome(intent, event(number), Outcome("succeeded"))

        for first in range(0, 100_000, 10):
            await asyncio.gather(*map(call, range(first, first + 10)))


if __name__ == "__main__":
    configure_logs("INFO", sys.stderr)
    asyncio.run(write(sys.argv[1]))
