"""`python -m api` as a process of its own, and what it writes."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from hearsay import heard, keep
from running import ROOT, api_command

PROMPT = "A prompt that nobody may log"
DEMO = {"X-Project-ID": "demo"}
START_SECONDS = 20


@dataclass(frozen=True)
class RunningApi:
    """A process of the API, and the folder that its two streams are written to."""

    process: asyncio.subprocess.Process
    folder: Path
    http: aiohttp.ClientSession

    def said(self, stream: str) -> str:
        return (self.folder / stream).read_text()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of this event; every line of the log is JSON."""
        lines = [json.loads(line) for line in self.said("stdout").splitlines()]
        return [line for line in lines if line["event"] == event]

    def of_kernel(self, file: str) -> str:
        """What the kernel knows of the process."""
        return Path(f"/proc/{self.process.pid}/{file}").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.lines('listening')[0]['port']}"

    async def asks(self, path: str = "/llm/complete", **body: Any) -> int:
        """The status that a call is answered with, after the whole answer has come."""
        body = {"prompt": PROMPT} | body
        async with self.http.post(self.url + path, json=body, headers=DEMO) as response:
            heard("answers", f"{response.status} {response.headers} {await response.text()}")
            return response.status

    async def ends_on(self, number: signal.Signals, seconds: float = 15) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), seconds)


@asynccontextmanager
async def running_api(
    folder: Path, env: dict[str, str], command: Sequence[str] = ()
) -> AsyncIterator[RunningApi]:
    """
    Args:
        command: what starts it; this environment's Python where it is not given.
    """
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *(command or api_command()), env=env, cwd=ROOT, stdout=out, stderr=err
        )
    try:
        async with aiohttp.ClientSession() as http:
            api = RunningApi(process, folder, http)
            await until_live(api)
            yield api
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        keep(folder / "stdout", folder / "stderr")


async def until_live(api: RunningApi) -> None:
    async with asyncio.timeout(START_SECONDS):
        while api.process.returncode is None:
            with suppress(aiohttp.ClientError, IndexError, json.JSONDecodeError):
                async with api.http.get(api.url + "/health/live") as response:
                    assert (response.status, await response.json()) == (200, {"status": "ok"})
                    return
            await asyncio.sleep(0.02)
    raise AssertionError(api.said("stderr"))
