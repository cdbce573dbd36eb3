"""A real Postgres on loopback, with data of its own that are gone afterwards."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from local.run.ports import free_port

READY_SECONDS = 30
ACCOUNT = "postgres"


def program(name: str) -> str:
    """Its path; a test that cannot have it is skipped."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: postgresql)")
    return found


@dataclass
class PostgresServer:
    """
    Args:
        folder: its data, which its account can reach.
    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *as_account([program("postgres"), "-D", str(self.folder), "-p", str(self.port)]),
            *("-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"),
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    connection = await asyncpg.connect(self.url)
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.05)
                    continue
                await connection.close()
                return

    async def kill(self) -> None:
        """As a power cut does it: no process of it writes anything any more."""
        first = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        first = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGINT)
        await self._process.wait()


def as_account(command: list[str]) -> list[str]:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups", *command]


@asynccontextmanager
async def running_postgres() -> AsyncIterator[PostgresServer]:
    initdb = program("initdb")
    with TemporaryDirectory(prefix="postgres-") as made:
        folder = Path(made)
        if os.geteuid() == 0:
            try:
                shutil.chown(folder, ACCOUNT, ACCOUNT)
            except LookupError:
                pytest.skip(f"there is no account {ACCOUNT} for Postgres")
        data = folder / "data"
        command = [initdb, "-D", str(data), "-U", ACCOUNT, "-A", "trust", "--no-sync"]
        process = await asyncio.create_subprocess_exec(
            *as_account(command), stdout=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0
        server = PostgresServer(data, free_port())
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
