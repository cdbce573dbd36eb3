"""Servers over stdio, as real processes: what they are given, how they end, whom they harm."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolRequestParams, TextContent

from marked import marked
from runtime_mcp.upstreams.errors import (
    UpstreamBusy,
    UpstreamDown,
    UpstreamError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from runtime_mcp.upstreams.tool_request import ToolRequest
from runtime_mcp.upstreams.upstreams import Upstreams
from upstreams_running import PATHS, called, config_of, following, over_stdio, state_of, told, until

CALLER = {
    "authorization": f"Bearer {marked('ada')}",
    "x-project-id": "demo",
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
}


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Upstreams]:
    old = over_stdio("old_stdio_upstream.py", max_result_bytes=100_000)
    async with following(new=over_stdio(max_result_bytes=100_000), old=old) as upstreams:
        yield upstreams


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def test_a_process_gets_what_the_file_says_and_nothing_else(tmp_path: Path) -> None:
    secret, other = marked("tool"), marked("gateway")
    environment = PATHS | {"TOOL_KEY": secret, "DATABASE_URL": other, "HOME": str(tmp_path)}
    config = over_stdio(env={"API_KEY": "${TOOL_KEY}", "MODE": "quiet"}, cwd=str(tmp_path))
    async with following(environment, tools=config) as upstreams:
        given = json.loads(await told(upstreams, "tools.given"))
    # Python puts the last of them there by itself.
    assert {name: value for name, value in given["env"].items() if name != "LC_CTYPE"} == {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "API_KEY": secret,
        "MODE": "quiet",
    }
    assert given["cwd"] == str(tmp_path)


async def test_a_hundred_calls_share_one_process_and_each_gets_its_own_answer(
    shared: Upstreams,
) -> None:
    texts = [f"text {number}" for number in range(40)]
    for _ in range(3):
        answers = await asyncio.gather(*(told(shared, "new.echo", text=text) for text in texts))
        assert answers == texts
    assert len({await told(shared, "new.pid") for _ in range(5)}) == 1


async def test_who_calls_is_not_said_unless_the_file_says_so(shared: Upstreams) -> None:
    async def meta(upstreams: Upstreams, tool: str) -> dict[str, Any]:
        (content,) = (await called(upstreams, tool, {}, CALLER)).content
        assert isinstance(content, TextContent)
        return dict(json.loads(content.text))

    said = await meta(shared, "new.meta")
    assert said["traceparent"] == CALLER["traceparent"]
    assert "demo" not in str(said)
    assert CALLER["authorization"] not in str(said)
    async with following(told=over_stdio(forward_identity=True)) as upstreams:
        said = await meta(upstreams, "told.meta")
        assert said["em-runtime-mcp/authorization"] == CALLER["authorization"]
        assert said["em-runtime-mcp/x-project-id"] == "demo"


async def test_a_process_that_dies_fails_its_calls_and_hides_its_tools_and_comes_again(
    tmp_path: Path,
) -> None:
    async with following(one=over_stdio(), other=over_stdio()) as upstreams:
        before = await told(upstreams, "one.pid")
        file = tmp_path / "hang"
        hanging = asyncio.create_task(called(upstreams, "one.hang", {"file": str(file)}))
        await until(file.exists)
        with pytest.raises(UpstreamDown, match="its process ended, exit code 7"):
            await called(upstreams, "one.die")
        with pytest.raises(UpstreamDown, match="its process ended"):
            await hanging
        await until(lambda: not state_of(upstreams, "one").up)
        assert upstreams.get("one.echo") is None
        assert state_of(upstreams, "one").reason == "one: its process ended, exit code 7"
        assert await told(upstreams, "other.echo", text="well") == "well"
        await until(lambda: state_of(upstreams, "one").up)
        assert await told(upstreams, "one.pid") != before


async def test_a_process_that_cannot_be_started_is_down_and_says_why() -> None:
    environment = PATHS | {"KEY": "x"}
    config = config_of(
        environment,
        nowhere={"command": "/no/such/command"},
        ends={"command": sys.executable, "args": ["-c", "import sys; sys.exit(5)"]},
        silent={
            "command": sys.executable,
            "args": ["-c", "import time; time.sleep(99)"],
            "start_timeout_seconds": 1,
        },
        unkeyed=over_stdio(env={"KEY": "${file:/no/such/secret}"}),
    )
    async with Upstreams(config, environment, refresh=1) as upstreams:
        wanted = {
            "nowhere": "nowhere: cannot be started (No such file or directory)",
            "ends": "ends: its process ended, exit code 5",
            "silent": "silent: not ready within 1 s",
            "unkeyed": "unkeyed: env.KEY: the file /no/such/secret cannot be read "
            "(No such file or directory)",
        }
        await until(lambda: {each.server: each.reason for each in upstreams.states()} == wanted)


async def test_a_call_that_took_too_long_is_cancelled_in_the_server_too(tmp_path: Path) -> None:
    async with following(slow=over_stdio(timeout_seconds=1)) as upstreams:
        file = tmp_path / "timeout"
        with pytest.raises(UpstreamTimeout):
            await called(upstreams, "slow.hang", {"file": str(file)})
        await until(lambda: file.read_text() == "cancelled", 5)
        assert await told(upstreams, "slow.echo", text="still here") == "still here"


async def test_a_caller_that_left_is_cancelled_in_the_server_too(
    shared: Upstreams, tmp_path: Path
) -> None:
    file = tmp_path / "left"
    call = asyncio.create_task(called(shared, "new.hang", {"file": str(file)}))
    await until(file.exists)
    call.cancel()
    await until(lambda: file.read_text() == "cancelled", 5)


@pytest.mark.parametrize("server", ["new", "old"])
async def test_an_answer_that_is_too_large_is_that_calls_alone(
    shared: Upstreams, server: str
) -> None:
    with pytest.raises(UpstreamTooLarge):
        await called(shared, f"{server}.large")
    assert state_of(shared, server).up


async def test_more_calls_than_allowed_are_refused(tmp_path: Path) -> None:
    async with following(few=over_stdio(max_concurrent=1)) as upstreams:
        file = tmp_path / "busy"
        call = asyncio.create_task(called(upstreams, "few.hang", {"file": str(file)}))
        await until(file.exists)
        with pytest.raises(UpstreamBusy):
            await called(upstreams, "few.echo")
        call.cancel()
        await asyncio.wait({call})
        assert await told(upstreams, "few.echo", text="free") == "free"


@pytest.mark.parametrize("server", ["new", "old"])
async def test_a_tool_that_is_added_is_offered_as_soon_as_the_server_says_so(
    shared: Upstreams, server: str
) -> None:
    before = len(shared.tools())
    await called(shared, f"{server}.grow")
    await until(lambda: len(shared.tools()) == before + 1, 5)


async def test_what_is_no_message_harms_nobody(shared: Upstreams) -> None:
    assert await told(shared, "old.junk") == "junk"
    assert await told(shared, "old.junk") == "junk"


async def test_a_server_that_is_busy_is_not_taken_for_a_broken_one() -> None:
    old = over_stdio("old_stdio_upstream.py", timeout_seconds=3)
    async with following(refresh=0.3, old=old) as upstreams:
        assert await told(upstreams, "old.sleep", seconds=2.5) == "sleep"
        assert state_of(upstreams, "old").up


async def test_nothing_that_a_process_started_outlives_it() -> None:
    async with following(parent=over_stdio()) as upstreams:
        child = int(await told(upstreams, "parent.children"))
        parent = int(await told(upstreams, "parent.pid"))
        assert is_there(child)
        assert is_there(parent)
    await until(lambda: not is_there(parent) and not is_there(child), 2)


async def test_a_process_that_does_not_want_to_end_is_ended(tmp_path: Path) -> None:
    stubborn = (
        "import os, pathlib, runpy, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[2]).write_text(str(os.getpid()))\n"
        "runpy.run_path(sys.argv[1])['serve']()\n"
        "time.sleep(300)"
    )
    file = tmp_path / "pid"
    (script,) = over_stdio("old_stdio_upstream.py")["args"]
    config = {"command": sys.executable, "args": ["-c", stubborn, script, str(file)]}
    async with following(stubborn=config):
        pid = int(file.read_text())
        assert is_there(pid)
    await until(lambda: not is_there(pid), 2)


async def test_a_process_that_is_killed_from_outside_comes_again() -> None:
    async with following(killed=over_stdio()) as upstreams:
        before = int(await told(upstreams, "killed.pid"))
        os.kill(before, signal.SIGKILL)
        await until(lambda: not state_of(upstreams, "killed").up)
        assert state_of(upstreams, "killed").reason == "killed: its process ended, exit code -9"
        await until(lambda: state_of(upstreams, "killed").up)
        assert int(await told(upstreams, "killed.pid")) != before


async def test_a_process_that_reads_nothing_holds_no_call_longer_than_it_may() -> None:
    old = over_stdio("old_stdio_upstream.py", timeout_seconds=2)
    async with following(old=old, well=over_stdio()) as upstreams:
        sleeping = asyncio.create_task(told(upstreams, "old.sleep", seconds=100))
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()
        large = {"text": "x" * 1_000_000}
        calls = [called(upstreams, "old.junk", large) for _ in range(10)]
        ended = await asyncio.gather(sleeping, *calls, return_exceptions=True)
        assert {type(each) for each in ended} == {UpstreamTimeout}
        assert asyncio.get_running_loop().time() - began < 12
        assert await told(upstreams, "well.echo", text="well") == "well"


async def test_a_process_that_is_stuck_is_replaced_however_many_go_on_calling_it() -> None:
    old = over_stdio("old_stdio_upstream.py", timeout_seconds=1)

    async def go_on(upstreams: Upstreams) -> None:
        while True:
            offered = upstreams.get("old.sleep")
            if offered is not None:
                with suppress(UpstreamError):
                    params = CallToolRequestParams(name="sleep", arguments={"seconds": 0})
                    await offered.server.call("sleep", ToolRequest(params, {}))
            await asyncio.sleep(0.05)

    async with following(refresh=0.5, old=old) as upstreams:
        callers = [asyncio.create_task(go_on(upstreams)) for _ in range(5)]
        with pytest.raises(UpstreamTimeout):
            await told(upstreams, "old.sleep", seconds=1000)
        await until(lambda: not state_of(upstreams, "old").up)
        await until(lambda: state_of(upstreams, "old").up)
        assert await told(upstreams, "old.junk") == "junk"
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)


async def test_a_call_that_is_under_way_when_the_servers_end_fails_as_one_that_did_not_reach_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ending"
    async with following(one=over_stdio()) as upstreams:
        hanging = asyncio.create_task(called(upstreams, "one.hang", {"file": str(file)}))
        await until(file.exists)
    with pytest.raises(UpstreamDown, match="its process"):
        await hanging
