"""The image of the tool gateway as a pod starts it, with the image of the API behind it."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api_process import running_api
from hearsay import heard
from image_processes import (
    PATH,
    assert_nobody_with_a_root_that_is_read_only,
    children,
    ended,
    first,
    status,
)
from images import Image, built
from local.run.ports import free_port
from marked import marked
from running import RunningGateway, wait_until_ready

pytestmark = pytest.mark.timeout(600)

KEY = marked("agent-of-the-image")
PROMPT = "What is behind the door?"
USER = 10001
FILES = "/tmp/files"  # noqa: S108 - of the image


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built("runtime-mcp") as image:
        yield image


@pytest.fixture(scope="module")
def api_image() -> Iterator[Image]:
    with built("api") as image:
        yield image


@dataclass(frozen=True)
class Started:
    process: asyncio.subprocess.Process
    image: Image
    given: dict[str, str]

    async def call(self, tool: str, key: str = KEY, **arguments: Any) -> tuple[int, str]:
        params = {"name": tool, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {"Accept": "application/json, text/event-stream", "X-Project-ID": "demo"}
        headers["Authorization"] = f"Bearer {key}"
        url = f"http://127.0.0.1:{self.given['PORT']}/mcp"
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(url, json=body) as response,
        ):
            return response.status, await response.text()


@asynccontextmanager
async def started(image: Image, folder: Path, **more: str) -> AsyncIterator[Started]:
    """A tool gateway with one agent, whose record is in a volume, once it is ready."""
    mounted = replace(
        image, mounts={FILES: files(folder), image.config["WorkingDir"]: record(folder)}
    )
    given = {"HOST": "127.0.0.1", "PORT": str(free_port()), "AUTH_MODE": "keys"} | more
    for name in ("allowlist", "upstreams", "agent_keys"):
        given[f"{name.upper()}_FILE"] = f"{FILES}/{name}"
    process = await asyncio.create_subprocess_exec(
        *mounted.sandboxed(*mounted.main, **given),
        env=PATH,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await wait_until_ready(process, f"http://127.0.0.1:{given['PORT']}/health/ready")
        yield Started(process, mounted, given)
    finally:
        if process.returncode is None:
            process.kill()
        said, _ = await process.communicate()
        heard("the tool gateway's image", said)


def files(folder: Path) -> Path:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    tools = [{"tool": "hello_world"}, {"tool": "llm_complete"}]
    contents = {
        "allowlist": {"agents": [{"name": "ada", "tools": tools}]},
        "upstreams": {"servers": {}},
        "agent_keys": {"agents": [{"name": "ada", "organisation": "acme", "sha256": digest}]},
    }
    made = folder / "files"
    made.mkdir()
    for name, content in contents.items():
        (made / name).write_text(json.dumps(content))
    return made


def record(folder: Path) -> Path:
    """A volume, which is whose the image's folder is."""
    made = folder / "record"
    made.mkdir()
    os.chown(made, USER, USER)
    return made


async def test_it_starts_as_nobody_on_a_root_that_it_cannot_write_to_and_is_healthy(
    image: Image, tmp_path: Path
) -> None:
    async with started(image, tmp_path) as running:
        tini = first(running.process.pid)
        (server,) = children(tini)
        for pid in (tini, server):
            assert_nobody_with_a_root_that_is_read_only(pid)
        assert status(tini)["Name"] == ["tini"]
        assert running.image.healthy(**running.given)
        assert await ended(running.process) == 0
    assert not running.image.healthy(**running.given)


async def test_a_tool_is_called_and_the_command_in_the_image_finds_the_record_whole(
    image: Image, tmp_path: Path
) -> None:
    async with started(image, tmp_path) as running:
        assert (await running.call("hello_world", marked("nobody-of-the-image")))[0] == 401
        code, said = await running.call("hello_world")
        assert code == 200
        assert "ada" in said
        given = {"DATABASE_URL": "sqlite:///audit.db"}
        verified = await asyncio.to_thread(
            running.image.succeed, "runtime-mcp", "audit", "verify", **given
        )
        assert verified == "The record is whole.\n"


async def test_an_answer_comes_through_both_images(
    image: Image, api_image: Image, gateway: RunningGateway, tmp_path: Path
) -> None:
    of_the_api = {
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "AUTH_MODE": "disabled",
        "LLM_GATEWAY_URL": gateway.url,
        "LLM_GATEWAY_API_KEY": gateway.key,
        "LLM_DEFAULT_MODEL": "ok",
        "LLM_FALLBACK_MODELS": ",",
    }
    command = api_image.sandboxed(*api_image.main, **of_the_api)
    async with (
        running_api(tmp_path, PATH, command) as api,
        started(image, tmp_path, LLM_SERVICE_URL=api.url) as running,
    ):
        code, said = await running.call("llm_complete", prompt=PROMPT)
        assert code == 200
        assert '"isError":true' not in said
        assert await gateway.recorded("booked", PROMPT)


def test_the_folder_of_the_record_is_its_users(image: Image) -> None:
    folder = image.root / image.config["WorkingDir"].lstrip("/")
    assert (folder.stat().st_uid, folder.stat().st_gid) == (USER, USER)


def test_a_command_in_the_pod_finds_curl_and_a_shell(image: Image) -> None:
    assert "https" in image.succeed("sh", "-c", "curl --version")
