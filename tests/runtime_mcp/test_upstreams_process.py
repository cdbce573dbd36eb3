"""The tool gateway as a process with a server over stdio: its log, its start and its end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from local.run.ports import free_port
from marked import marked
from tool_gateway import Upstream, served, text_of, until_up
from upstreams_running import PATHS, over_stdio

SECRET = marked("stdio")


@dataclass(frozen=True)
class Process:
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if line.get("event") == event]


@contextmanager
def started(folder: Path, text: str = "", **servers: Any) -> Iterator[Process]:
    """A gateway for these servers, or for this text in place of the file that names them."""
    allowed = {"agents": [{"name": "local", "tools": [{"tool": "*.*"}]}]}
    (folder / "allowlist.yaml").write_text(yaml.safe_dump(allowed))
    (folder / "upstreams.yaml").write_text(text or yaml.safe_dump({"servers": servers}))
    port = free_port()
    environment = PATHS | {
        "AUTH_MODE": "disabled",
        "ALLOWLIST_FILE": str(folder / "allowlist.yaml"),
        "UPSTREAMS_FILE": str(folder / "upstreams.yaml"),
        "DATABASE_URL": f"sqlite:///{folder / 'audit.db'}",
        "PORT": str(port),
        "TOOL_KEY": SECRET,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime_mcp"], env=environment, stdout=log, stderr=log
        )
        try:
            yield Process(f"http://127.0.0.1:{port}", process, folder / "log")
        finally:
            process.kill()
            process.wait()


async def until_answering(url: str, server: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await until_up(url, server)
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def say(url: str, tool: str, **arguments: Any) -> str:
    async with (
        httpx2.AsyncClient(headers={"X-Project-ID": "demo"}, timeout=20) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        return text_of(await client.call_tool(tool, arguments))


def until_gone(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
            return
        assert time.monotonic() < deadline, f"{pid} is there yet"
        time.sleep(0.05)


async def test_what_a_server_writes_is_in_the_log_in_bounds_and_without_secrets(
    tmp_path: Path,
) -> None:
    old = over_stdio("old_stdio_upstream.py", command="python3")
    with started(tmp_path, tools=over_stdio(env={"KEY": "${TOOL_KEY}"}), old=old) as gateway:
        await until_answering(gateway.url, "tools")
        # A command without a folder is looked for in the PATH.
        await until_answering(gateway.url, "old")
        assert SECRET in await say(gateway.url, "tools.given")
        await say(gateway.url, "tools.noise", text=SECRET)
        await asyncio.sleep(1)
        said = gateway.lines("upstream_said")
        assert 40 <= len(said) <= 50
        assert all(len(line["line"]) <= 1000 for line in said)
        assert any("noise 1 [secret] yyy" in line["line"] for line in said)
        assert SECRET not in gateway.log.read_text()
        assert len(gateway.lines("upstream_up")) == 2


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
async def test_no_process_outlives_the_gateway(tmp_path: Path, sign: signal.Signals) -> None:
    with started(tmp_path, tools=over_stdio()) as gateway:
        await until_answering(gateway.url, "tools")
        pid = int(await say(gateway.url, "tools.pid"))
        os.kill(gateway.process.pid, sign)
        gateway.process.wait(timeout=20)
        until_gone(pid, 5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("servers: {a: {command: x, env: {K: '${GONE}'}}}", "servers.a.env.K: the variable GONE"),
        ("servers: {a: {url: nowhere}}", "line 1: servers.a.url: Input should be a val"),
        ("servers: {a: [}", "is no YAML: "),
        ("servers: {}\nservers: {}", "is no YAML: duplicate key"),
        ("7", "line 1: the document: Input should be"),
    ],
)
def test_a_file_that_makes_no_sense_is_a_line_and_exit_code_2(
    tmp_path: Path, text: str, line: str
) -> None:
    with started(tmp_path, text) as gateway:
        assert gateway.process.wait(timeout=30) == 2
        assert f"runtime-mcp: UPSTREAMS_FILE: {line}" in gateway.log.read_text()
        assert "Traceback" not in gateway.log.read_text()


async def test_a_changed_tool_is_logged_once_and_not_at_each_look(tmp_path: Path) -> None:
    pins = {"echo": "0" * 64}
    with started(tmp_path, tools=over_stdio(pins=pins)) as gateway:
        await until_answering(gateway.url, "tools")
        for _ in range(3):
            before = int(await say(gateway.url, "tools.pid"))
            await say(gateway.url, "tools.grow")
            assert int(await say(gateway.url, "tools.pid")) == before
            await asyncio.sleep(0.8)
        (changed,) = gateway.lines("upstream_tool_changed")
        assert (changed["tool"], changed["first"]) == ("tools.echo", "0" * 64)


async def test_a_head_without_an_end_is_not_taken(tmp_path: Path) -> None:
    with started(tmp_path, "servers: {}") as gateway:
        async with asyncio.timeout(30):
            while not gateway.lines("listening"):
                await asyncio.sleep(0.05)
        async with httpx2.AsyncClient(headers={"X-Large": "x" * 200_000}) as http:
            said = await http.get(f"{gateway.url}/health")
        assert said.status_code == 413


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_a_call_under_way_ends_before_the_gateway_does(tmp_path: Path, version: str) -> None:
    async with served(Upstream().app()) as behind:
        config = {"url": f"{behind}/mcp", "timeout_seconds": 3}
        with started(tmp_path, files=config) as gateway:
            await until_answering(gateway.url, "files")
            async with (
                httpx2.AsyncClient(headers={"X-Project-ID": "demo"}, timeout=20) as http,
                Client(
                    streamable_http_client(f"{gateway.url}/mcp", http_client=http),
                    mode="legacy" if version < "2026" else version,
                ) as client,
            ):
                calling = asyncio.create_task(client.call_tool("files.hang", {}))
                await asyncio.sleep(0.5)
                gateway.process.send_signal(signal.SIGTERM)
                assert "did not answer in time" in text_of(await calling)
            assert await asyncio.to_thread(gateway.process.wait, 20) == 0
