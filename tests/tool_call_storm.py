"""Tool calls without end while the gateway and its Postgres are killed, and what is left to see."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import aiohttp

from local.run.ports import free_port
from postgres_server import PostgresServer
from records import emptied, found_in, rows_of, without_an_end
from running import ROOT
from tool_gateway import ADA, Upstream, served, settings_in

AT_ONCE = 20
HEADERS = {
    "Authorization": f"Bearer {ADA}",
    "X-Project-ID": "demo",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2025-11-25",
}


@dataclass
class GatewayProcess:
    """The tool gateway as a process, which comes again after it was killed."""

    variables: dict[str, str]
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime_mcp"),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PORT": str(self.port)} | self.variables,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            while not await is_ready(http, self.url):
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), 40) == 0


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/health/ready") as answer:
            said = await answer.json()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
    return answer.status == 200 and all(each["up"] for each in said["upstreams"])


@dataclass
class Storm:
    """
    Attributes:
        told: how the callers were answered: succeeded, refused, or not at all.
    """

    gateway: GatewayProcess
    postgres: PostgresServer
    upstream: Upstream
    made: int = 0
    told: Counter[str] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)

    async def calls(self, count: int) -> None:
        """Makes so many calls, each with a text of its own; none is made again."""
        room = asyncio.Semaphore(AT_ONCE)
        timeout = aiohttp.ClientTimeout(30)
        async with aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as http:

            async def call(number: int) -> None:
                async with room:
                    said = await self._call(http, f"call {number}")
                    self.told[said] += 1
                    if said == "succeeded":
                        self.succeeded.add(f"call {number}")
                    elif said == "unanswered":
                        # Until the next one is up there is no use in asking.
                        await asyncio.sleep(0.05)

            first = self.made
            self.made += count
            await asyncio.gather(*map(call, range(first, self.made)))

    async def _call(self, http: aiohttp.ClientSession, text: str) -> str:
        params = {"name": "files.echo", "arguments": {"text": text}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        try:
            async with http.post(f"{self.gateway.url}/mcp", json=message) as answer:
                body = await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return "unanswered"
        data = [line[6:] for line in body.splitlines() if line.startswith("data: {")]
        said = json.loads(data[-1] if data else body)
        if "result" not in said:
            return "refused"
        return "failed" if said["result"].get("isError") else "succeeded"

    async def kills(self, count: int, seed: int) -> None:
        """Kills the gateway or Postgres so often, at any moment, and starts it again."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        for number in range(count):
            await asyncio.sleep(chance.uniform(0.5, 2.5))
            victim = (self.gateway, self.postgres)[number % 2]
            await victim.kill()
            await asyncio.sleep(chance.uniform(0, 1))
            await victim.start()


@asynccontextmanager
async def storm(folder: Path, postgres: PostgresServer) -> AsyncIterator[Storm]:
    upstream = Upstream()
    async with served(upstream.app()) as behind:
        settings = settings_in(folder, {"files": behind})
        gateway = GatewayProcess(
            {
                "AUTH_MODE": "keys",
                "AGENT_KEYS_FILE": str(settings.agent_keys_file),
                "ALLOWLIST_FILE": str(settings.allowlist_file),
                "UPSTREAMS_FILE": str(settings.upstreams_file),
                "DATABASE_URL": await emptied(postgres.url),
            }
        )
        await gateway.start()
        try:
            yield Storm(gateway, postgres, upstream)
        finally:
            if gateway.process.returncode is None:
                await gateway.kill()


async def assert_nothing_is_lost(
    folder: Path, postgres: PostgresServer, calls: int, kills: int, seed: int
) -> None:
    """Makes the calls and the kills, and compares what was executed with what was recorded."""
    async with storm(folder, postgres) as running:
        killing = asyncio.create_task(running.kills(kills, seed))
        while running.made < calls or not killing.done():
            await running.calls(max(200, calls // 20))
        await killing
        await running.calls(100)
        async with asyncio.timeout(60):
            while await without_an_end(postgres.url):
                await asyncio.sleep(0.5)
        await running.gateway.stop()
    rows = await rows_of(postgres.url)
    intents = Counter(row["details"]["arguments_hash"] for row in rows if row["phase"] == "intent")
    executed = Counter(map(hash_of, running.upstream.texts))
    assert await found_in(postgres.url) == []
    assert len(rows) == len({row["id"] for row in rows})
    assert max(intents.values()) == 1, "no call is recorded twice"
    assert max(executed.values()) == 1, "no call is made twice"
    assert executed <= intents, "what was executed is recorded"
    ended = Counter(row["intent_id"] for row in rows if row["phase"] == "outcome")
    assert max(ended.values()) == 1, "no call has two outcomes of its own"
    ends = {row["intent_id"]: row for row in rows if row["intent_id"]}
    by_hash = {row["details"]["arguments_hash"]: row for row in rows if row["phase"] == "intent"}
    for text in running.succeeded:
        end = ends[by_hash[hash_of(text)]["id"]]
        assert end["details"]["status"] == "succeeded", end
    for digest in intents - executed:
        end = ends[by_hash[digest]["id"]]["details"]
        assert end["status"] in {"unknown", "failed"}, "what was not executed says so"
    assert running.told["succeeded"] > 100
    if kills:
        assert running.told["unanswered"] + running.told["refused"]


def hash_of(text: str) -> str:
    return sha256(json.dumps({"text": text}, separators=(",", ":")).encode()).hexdigest()
