"""The services of Compose as plain processes: the same commands, environments and health checks.

The names of services become ports of the loopback, the mounted paths those of the repository, and a
volume a folder.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from composing import SERVICES, Service
from hearsay import keep
from local.run.ports import free_port
from running import GATEWAY_PYTHON, ROOT

API_PYTHON = ROOT / ".venv/bin/python"
PYTHONS = {"api": API_PYTHON, "runtime-mcp": API_PYTHON, "gateway": GATEWAY_PYTHON}
READY_SECONDS = 90
PORT_OF_ITS_OWN = {
    "local-llm": 8080,
    "fault-models": 8080,
    "gateway": 4000,
    "api": 8000,
    "runtime-mcp": 8004,
}


@dataclass
class Machine:
    """
    Attributes:
        folder: has the volumes, and what each process says.
        elsewhere: of other services, by the address that is written, the one where they are.
    """

    folder: Path
    elsewhere: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports |= {name: free_port() for name in PORT_OF_ITS_OWN}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def volume(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return place

    def here(self, service: Service, text: str) -> str:
        """What the service's file says, for a process of this machine."""
        for said, there in self.elsewhere.items():
            text = text.replace(said, there)
        for name, port in self.ports.items():
            text = text.replace(f"//{name}:{PORT_OF_ITS_OWN[name]}", f"//127.0.0.1:{port}")
        own = PORT_OF_ITS_OWN.get(service.name)
        if own:
            text = re.sub(rf"(^|127\.0\.0\.1:){own}\b", rf"\g<1>{self.ports[service.name]}", text)
        for mount in service.mounts:
            source = mount.source if isinstance(mount.source, Path) else self.volume(mount.source)
            begins = r"(?:(?<![\w/.-])|(?<=sqlite:///))"
            text = re.sub(rf"{begins}{re.escape(mount.target)}\b", str(source), text)
        return text.replace("0.0.0.0", "127.0.0.1")  # nothing of a test listens elsewhere

    async def started(self, service: Service, **more: str) -> asyncio.subprocess.Process:
        package = re.findall(r"-(api|gateway|runtime-mcp):", service.image)[0]
        words = [self.here(service, word) for word in service.command]
        words = [str(PYTHONS[package]) if word == "python" else word for word in words]
        given = {name: self.here(service, value) for name, value in service.environment.items()}
        said = self.folder / f"{service.name}.log"
        with said.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *words,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)} | given | more,
                cwd=ROOT,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )

    async def once(self, name: str, **more: str) -> None:
        """A service that ends, to its end."""
        process = await self.started(SERVICES[name], **more)
        assert await process.wait() == 0, self.said(name)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    @asynccontextmanager
    async def running(self, name: str, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A service that stays, once its own health check says that it is there."""
        process = await self.started(SERVICES[name], **more)
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await self.is_healthy(SERVICES[name]):
                    assert process.returncode is None, self.said(name)
                    await asyncio.sleep(0.2)
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            assert await process.wait() in (0, -15), self.said(name)
            keep(self.folder / f"{name}.log")

    async def is_healthy(self, service: Service) -> bool:
        words = [self.here(service, word) for word in service.health.split()]
        quiet = asyncio.subprocess.DEVNULL
        check = await asyncio.create_subprocess_exec(*words, stdout=quiet, stderr=quiet)
        return await check.wait() == 0

    @asynccontextmanager
    async def everything(self, **of_the_shell: str) -> AsyncIterator[None]:
        """What `docker compose up` starts, in its order.

        Args:
            of_the_shell: variables of whoever starts it.
        """
        await self.once("variables")
        async with AsyncExitStack() as stack:
            for name in PORT_OF_ITS_OWN:
                asked = SERVICES[name].from_the_shell
                passed = {key: value for key, value in of_the_shell.items() if key in asked}
                await stack.enter_async_context(self.running(name, **passed))
            yield
