"""The upstreams file: what it may say, and what happens when it says something else."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from mcp_types import CallToolRequestParams

from marked import marked
from runtime_mcp.main import create_app
from runtime_mcp.upstreams.config import parse
from runtime_mcp.upstreams.errors import UpstreamDown
from runtime_mcp.upstreams.tool_request import ToolRequest
from runtime_mcp.upstreams.upstreams import Upstreams
from tool_gateway import Gateway, Upstream, agent, served, settings_in, text_of, until_up
from upstreams_running import (
    PATHS,
    called,
    config_of,
    following,
    over_stdio,
    state_of,
    told,
    until,
)

AT = {"url": "http://127.0.0.1:9/mcp"}


@pytest.mark.parametrize(
    ("servers", "wrong"),
    [
        ({"a": {"url": "ftp://x"}}, "servers.a.url: URL scheme should be 'http' or 'https'"),
        ({"a": {"url": "http://u:p@x/mcp"}}, "servers.a.url: must have no user"),
        ({"a": {}}, "servers.a.url: Field required"),
        ({"a": AT | {"command": "x"}}, "servers.a.url: Extra inputs are not permitted"),
        ({"A": AT}, "servers.A: String should match"),
        ({"a": AT | {"headers": {"X-Project-ID": "x"}}}, "cannot be set here"),
        ({"a": AT | {"headers": {"x-project-id": "x"}}}, "cannot be set here"),
        ({"a": AT | {"headers": {"Mcp-Name": "x"}}}, "cannot be set here"),
        ({"a": AT | {"headers": {"X Y": "x"}}}, "is no name of a header"),
        ({"a": AT | {"headers": {"X": "x\r\nX-Project-ID: y"}}}, "servers.a.headers.X: must be"),
        ({"a": AT | {"headers": {"X": "${GONE}"}}}, "servers.a.headers.x: the variable GONE is"),
        ({"a": AT | {"headers": {"X": "${EMPTY}"}}}, "servers.a.headers.x: the variable EMPTY is"),
        ({"a": AT | {"headers": {"X": "${SET"}}}, "servers.a.headers.x: ${ begins neither"),
        ({"a": AT | {"headers": {"X": "${file:relative}"}}}, "servers.a.headers.x: ${ begins"),
        ({"a": AT | {"pins": {"echo": "0" * 63}}}, "servers.a.pins.echo: String should match"),
        ({"a": {"command": "x", "env": {"K": "${GONE}"}}}, "servers.a.env.K: the variable GONE"),
        ({"a": {"command": "x", "env": {"K=": "x"}}}, "servers.a.env.K=: String should match"),
        ({"a": {"command": "x", "env": {"K": 8}}}, "servers.a.env.K: Input should be a valid str"),
        ({"a": {"command": "x", "headers": {}}}, "servers.a.headers: Extra inputs"),
        ({"a": AT | {"timeout_seconds": 0}}, "servers.a.timeout_seconds: Input should be greater"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line_that_names_the_place(
    servers: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ValueError, match="servers") as error:
        parse(yaml.safe_dump({"servers": servers}), {"SET": "secret-value", "EMPTY": ""})
    assert wrong in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret-value" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "servers: {a: {url: 'http://x/'}, a: {url: 'http://y/'}}",
        "servers: {a: {url: 'http://x/', url: 'http://y/'}}",
        "servers: {a: {url: 'http://x/', headers: {K: a, k: b, K: c}}}",
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duplicate key"):
        parse(text, {})


def test_a_secret_that_the_file_quotes_by_mistake_is_not_said() -> None:
    with pytest.raises(ValueError, match="timeout_seconds") as error:
        parse(f"servers: {{a: {{url: 'http://x/', timeout_seconds: {marked('typo')}}}}}", {})
    assert marked("typo") not in str(error.value)


@asynccontextmanager
async def running(folder: Path, upstream: Upstream, **more: Any) -> AsyncIterator[Gateway]:
    async with served(upstream.app()) as behind:
        settings = settings_in(folder, {"files": behind}, **more)
        async with served(create_app(settings)) as url:
            await until_up(url)
            yield Gateway(url, settings, upstream)


async def ready(gateway: Gateway) -> dict[str, Any]:
    async with httpx2.AsyncClient() as http:
        said = (await http.get(f"{gateway.url}/health/ready")).json()
    return {each["server"]: each for each in said["upstreams"]}


async def test_the_file_is_followed_and_a_bad_one_does_not_count(tmp_path: Path) -> None:
    async with running(tmp_path, Upstream()) as gateway:
        file = gateway.settings.upstreams_file
        good = yaml.safe_load(file.read_text())["servers"]
        more = {"files": good["files"], "more": over_stdio()}
        file.write_text(yaml.safe_dump({"servers": more}))
        await until_up(gateway.url, "more")
        file.write_text("servers: {files: {url: 'http://x/'}, files: {url: 'http://y/'}}")
        await asyncio.sleep(2.5)
        assert {name: each["up"] for name, each in (await ready(gateway)).items()} == {
            "files": True,
            "more": True,
        }
        file.write_text(yaml.safe_dump({"servers": {"more": more["more"]}}))
        async with asyncio.timeout(10):
            while list(await ready(gateway)) != ["more"]:
                await asyncio.sleep(0.1)
        async with agent(gateway) as ada:
            assert [tool.name for tool in (await ada.list_tools()).tools] == ["hello_world"]


async def test_calls_under_way_end_as_they_began_when_their_server_is_removed_or_replaced(
    tmp_path: Path,
) -> None:
    async with following(gone=over_stdio(), other=over_stdio()) as upstreams:
        replaced, removed = upstreams.get("other.hang"), upstreams.get("gone.echo")
        assert replaced is not None
        assert removed is not None
        file = tmp_path / "hang"
        hanging = asyncio.create_task(called(upstreams, "other.hang", {"file": str(file)}))
        await until(file.exists)
        before = await told(upstreams, "other.pid")
        upstreams.take(config_of(other=over_stdio(timeout_seconds=29)))
        assert upstreams.get("gone.echo") is None
        assert [each.server for each in upstreams.states()] == ["other"]
        await until(lambda: state_of(upstreams, "other").up)
        assert await told(upstreams, "other.pid") != before
        # What was decided on before the change is called yet.
        params = CallToolRequestParams(name="gone.echo", arguments={"text": "late"})
        await removed.server.call("echo", ToolRequest(params, {}))
        await asyncio.sleep(7)
        assert not hanging.done()
        with pytest.raises(UpstreamDown):
            await removed.server.call("echo", ToolRequest(params, {}))
        # Nothing is under way in it any more, and so it ends.
        hanging.cancel()
        await asyncio.wait({hanging})
        await asyncio.sleep(1)
        with pytest.raises(UpstreamDown):
            await replaced.server.call("echo", ToolRequest(params, {}))


async def test_a_server_that_stays_as_it_is_is_not_touched_by_a_change() -> None:
    async with following(stays=over_stdio()) as upstreams:
        before = await told(upstreams, "stays.pid")
        pins = {"echo": "0" * 64}
        upstreams.take(config_of(first=AT, stays=over_stdio(pins=pins)))
        assert [each.server for each in upstreams.states()] == ["first", "stays"]
        assert await told(upstreams, "stays.pid") == before


async def test_a_pin_counts_before_what_was_seen_and_writing_it_accepts_a_change(
    tmp_path: Path,
) -> None:
    upstream = Upstream()
    async with running(tmp_path, upstream) as gateway:
        file = gateway.settings.upstreams_file
        config = yaml.safe_load(file.read_text())
        first = await asyncio.to_thread(printed, file)
        upstream.description = "Says what it was told, and sends it to somebody else"
        now = await asyncio.to_thread(printed, file)
        assert first["files"]["pins"].keys() == now["files"]["pins"].keys()

        async def until_changed(pins: dict[str, str], wanted: set[str]) -> dict[str, Any]:
            config["servers"]["files"]["pins"] = pins
            file.write_text(yaml.safe_dump(config))
            async with asyncio.timeout(40):
                while True:
                    state = (await ready(gateway))["files"]
                    if {each["tool"] for each in state["changed"]} == wanted:
                        return dict(state)
                    await asyncio.sleep(0.1)

        names = set(now["files"]["pins"])
        # Another line of it is changed, so that it is looked at now and not after half a minute.
        config["servers"]["files"]["timeout_seconds"] = 7
        state = await until_changed({}, names)
        assert (state["up"], state["tools"]) == (True, 0)
        echo = next(each for each in state["changed"] if each["tool"] == "echo")
        assert echo == {
            "tool": "echo",
            "first": first["files"]["pins"]["echo"],
            "now": now["files"]["pins"]["echo"],
        }
        async with httpx2.AsyncClient() as http:
            said = (await http.get(f"{gateway.url}/metrics")).text
        assert f'mcp_upstream_tools_changed{{server="files"}} {len(names)}.0' in said
        await until_changed({"echo": now["files"]["pins"]["echo"]}, names - {"echo"})
        async with agent(gateway) as ada:
            assert text_of(await ada.call_tool("files.echo", {"text": "x"})) == "x"
            assert [tool.name for tool in (await ada.list_tools()).tools] == [
                "files.echo",
                "hello_world",
            ]
        await until_changed({"echo": first["files"]["pins"]["echo"]}, names)


async def test_pins_count_from_the_first_look_on() -> None:
    upstream = Upstream()
    async with served(upstream.app()) as url:
        pins = {"echo": "0" * 64}
        async with following(files={"url": f"{url}/mcp", "pins": pins}) as upstreams:
            assert upstreams.get("files.echo") is None
            assert upstreams.get("files.fails") is not None
            (changed,) = state_of(upstreams, "files").changed
            assert (changed.tool, changed.first) == ("echo", "0" * 64)


async def test_what_was_seen_counts_on_when_another_line_of_the_server_changes() -> None:
    upstream = Upstream()
    async with served(upstream.app()) as url:
        at = {"url": f"{url}/mcp"}
        async with following(files=at) as upstreams:
            upstream.description = "Another"
            upstreams.take(config_of(files=at | {"timeout_seconds": 5}))
            await until(lambda: state_of(upstreams, "files").up)
            assert len(state_of(upstreams, "files").changed) == 6
            upstreams.take(config_of())
            upstreams.take(config_of(files=at))
            await until(lambda: state_of(upstreams, "files").up)
            assert len(state_of(upstreams, "files").changed) == 6


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("runtime-mcp"), *arguments],
        env=PATHS | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def printed(file: Path) -> dict[str, Any]:
    done = run("tools", "pins", "--upstreams-file", str(file))
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout)["servers"])


def test_pins_that_are_printed_are_what_the_file_takes(tmp_path: Path) -> None:
    file = tmp_path / "upstreams.yaml"
    secret = marked("cli")
    servers = {"tools": over_stdio(env={"KEY": "${CLI_KEY}"}), "gone": AT}
    file.write_text(json.dumps({"servers": servers}))
    done = run("tools", "pins", UPSTREAMS_FILE=str(file), CLI_KEY=secret)
    assert done.returncode == 1
    assert "gone: ConnectError" in done.stderr
    assert "ready" in done.stderr
    pins = yaml.safe_load(done.stdout)["servers"]["tools"]["pins"]
    assert "echo" in pins
    config = parse(json.dumps({"servers": {"tools": over_stdio(pins=pins)}}), {})
    assert config.servers["tools"].pins == pins
    missing = run("tools", "pins", UPSTREAMS_FILE=str(file))
    assert missing.returncode == 2
    assert "servers.tools.env.KEY: the variable CLI_KEY is not set" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert secret not in done.stdout + done.stderr


async def test_upstreams_without_any_server_are_none() -> None:
    async with Upstreams(config_of(), {}) as upstreams:
        assert upstreams.states() == []
        assert upstreams.tools() == []


async def test_upstreams_end_whatever_a_look_at_them_is_about_to_find() -> None:
    # A cancellation that comes when a connection fails may get lost in the client.
    for number in range(60):
        async with asyncio.timeout(10), Upstreams(config_of(one=AT, two=AT), {}):
            await asyncio.sleep(number * 0.001)
