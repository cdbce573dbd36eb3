"""A process that says a secret on any way out, or lets a library say it, has not said it."""

import asyncio
import json
import sys

import pytest

from chassis.redaction import MASK

SECRET = 'hunter"2\\of the/tests'
PROCESS = """
import asyncio, logging, sys, threading, warnings
from chassis.logs import configure_logs
from chassis.redaction import keep_out, redact_output

secret = sys.stdin.read()
redact_output()
configure_logs("DEBUG", sys.stdout)
keep_out(secret)

async def fails():
    raise ValueError("in a task: " + secret)

async def forgets():
    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

class Dying:
    def __del__(self):
        raise ValueError("at its end: " + secret)
"""
WAYS = {
    "print": "print('said', secret)",
    "a warning": "warnings.warn('old: ' + secret)",
    "a handler of a library's own": """
handler = logging.StreamHandler()
logging.getLogger("own").addHandler(handler)
logging.getLogger("own").error("own: %s", secret)
""",
    "a task that nobody awaits": "asyncio.run(forgets())",
    "a thread": "threading.Thread(target=lambda: asyncio.run(fails())).start()",
    "a finaliser": "Dying()",
    "the last traceback": "raise RuntimeError('last: ' + secret) from ValueError(secret)",
    "an exit": "sys.exit('gone: ' + secret)",
}


async def said_by(program: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROCESS + program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(SECRET.encode())
    return said.decode()


@pytest.mark.parametrize("way", WAYS)
async def test_a_process_says_no_secret_on_any_way_out(way: str) -> None:
    said = await said_by(WAYS[way])
    assert MASK in said
    assert "hunter" not in said


async def test_what_litellm_says_is_there_once_and_in_the_logs_form() -> None:
    said = await said_by("""
from api.litellm_client.client import load_litellm
load_litellm()
logging.getLogger("LiteLLM").warning("tried with %s", secret)
""")
    (line,) = said.splitlines()
    assert json.loads(line)["event"] == f"tried with {MASK}"
