"""A real Redis of a test, which it may stop and start again."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.run.ports import free_port
from marked import marked

PASSWORD = marked("redis")

NO_REDIS = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="there is no redis-server (Debian: redis-server)"
)


@dataclass
class Redis:
    port: int
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    async def pause(self) -> None:
        """It is there, and answers nobody."""
        self.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.1)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()


@asynccontextmanager
async def running_redis(folder: Path) -> AsyncIterator[Redis]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(
            "redis-server",
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            PASSWORD,
        ),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    redis = Redis(port, process)
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield redis
    finally:
        await redis.stop()
