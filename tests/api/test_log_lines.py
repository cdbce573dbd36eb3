"""What a caller writes into the log: one line, and nothing that a terminal would obey."""

import asyncio
import json
import os
import pty
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fuzzing import when_live
from local.run.ports import free_port
from raw import exchange, get
from running import ROOT, api_command

PATH = "/%1b%5b2J%0a%7b%22event%22%3a%22forged%22%7d%0d%00%c2%9b%e2%80%ae%e2%80%a8"
REQUEST_ID = b'X-Request-ID: a","event":"forged\r\n'
WRITTEN_OUT = r'/\x1b[2J\n{"event":"forged"}\r\x00\x9b\u202e\u2028'


@asynccontextmanager
async def api_writing_to(out: int) -> AsyncIterator[str]:
    """The address of a process of the API whose log goes to this file descriptor."""
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        *api_command(),
        env={
            "PATH": os.environ["PATH"],
            "AUTH_MODE": "disabled",
            "LLM_GATEWAY_URL": "http://127.0.0.1:9/v1",
            "LLM_GATEWAY_API_KEY": "sk-log",
            "LOG_LEVEL": "DEBUG",
            "PORT": port,
        },
        cwd=ROOT,
        stdout=out,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield await when_live(f"http://127.0.0.1:{port}", path="/health/live")
    finally:
        process.kill()
        await process.wait()


async def test_a_line_of_the_log_is_one_line_of_json_without_controls() -> None:
    reads, writes = os.pipe()
    async with api_writing_to(writes) as url:
        os.close(writes)
        for _ in range(3):
            said = await exchange(url, get(PATH, more=REQUEST_ID))
            assert (said.status_line, said.code) == ("HTTP/1.1 404 Not Found", "not_found")
            assert said.json["request_id"].isalnum()
    with os.fdopen(reads, "rb") as pipe:
        text = pipe.read().decode()
    assert text.endswith("\n")
    lines = text.splitlines()
    assert all(line.isprintable() for line in lines)
    found = [json.loads(line) for line in lines]
    assert [line["event"] for line in found] == ["listening", *["request_refused"] * 3]
    assert {line["path"] for line in found[1:]} == {WRITTEN_OUT}
    assert all(line["request_id"].isalnum() for line in found[1:])


async def test_a_terminal_is_not_told_what_a_caller_wrote() -> None:
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    try:
        async with api_writing_to(terminal) as url:
            await exchange(url, get(PATH, more=REQUEST_ID))
            os.set_blocking(master, False)
            text = os.read(master, 65536).decode()
    finally:
        for end in (master, terminal):
            with suppress(OSError):
                os.close(end)
    lines = [line for line in text.splitlines() if "request_refused" in line]
    assert len(lines) == 1
    for sign in ("\x1b[2J", "\r", "\0", "\x9b", "\u202e", "\u2028"):
        assert sign not in text, repr(sign)
    assert "[2J" in lines[0]
