"""Servers over HTTP: what they are told of callers, where they may lead, what they may say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest
from aiohttp import web
from mcp.server.lowlevel.server import Server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool

from marked import marked
from running import listening
from runtime_mcp.upstreams.errors import (
    UpstreamDown,
    UpstreamError,
    UpstreamRedirected,
    UpstreamRefused,
)
from runtime_mcp.upstreams.followed import Followed
from runtime_mcp.upstreams.http.connections import Connections, Guarded, is_refused
from runtime_mcp.upstreams.offering import Pins
from runtime_mcp.upstreams.server import Server as OneServer
from runtime_mcp.upstreams.upstreams import Upstreams
from tool_gateway import Upstream, served
from upstreams_running import called, config_of, following, state_of, told, until

CALLER = {
    "authorization": f"Bearer {marked('ada')}",
    "x-project-id": "demo",
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
}


@asynccontextmanager
async def offering(*tools: Tool) -> AsyncIterator[tuple[str, list[str]]]:
    """A server with these tools, and the method of each request that it got."""
    asked: list[str] = []

    async def list_tools(*_: Any) -> ListToolsResult:
        return ListToolsResult(tools=list(tools))

    async def call_tool(*_: Any) -> CallToolResult:
        return CallToolResult(content=[TextContent(text="done")], structured_content={"n": "no"})

    server = Server("offering", on_list_tools=list_tools, on_call_tool=call_tool)
    app = server.streamable_http_app(stateless_http=True)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            asked.append(headers.get(b"mcp-method", b"").decode())
        await app(scope, receive, send)

    async with served(noting) as url:
        yield f"{url}/mcp", asked


async def test_each_server_is_told_of_the_caller_what_the_file_says(tmp_path: Path) -> None:
    upstream, key, own = Upstream(), marked("of-a-file"), marked("of-a-variable")
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    environment = {"OWN": own}
    async with served(upstream.app()) as url:
        at = {"url": f"{url}/mcp"}
        async with following(
            environment,
            plain=at,
            anonymous=at | {"forward_identity": False},
            keyed=at | {"headers": {"Authorization": "Bearer ${OWN}", "X-Key": "a ${OWN} b"}},
            filed=at | {"forward_identity": False, "headers": {"X-Key": f"${{file:{file}}}"}},
        ) as upstreams:

            async def heard(server: str) -> dict[str, str]:
                await called(upstreams, f"{server}.echo", {}, CALLER)
                headers = dict(upstream.seen[-1][1])
                names = ("authorization", "x-project-id", "traceparent", "x-key")
                return {name: headers[name] for name in names if name in headers}

            trace = {"traceparent": CALLER["traceparent"]}
            assert await heard("plain") == CALLER
            assert await heard("anonymous") == trace
            assert await heard("keyed") == CALLER | {
                "authorization": f"Bearer {own}",
                "x-key": f"a {own} b",
            }
            assert await heard("filed") == trace | {"x-key": key}
            file.write_text(marked("rotated"))
            assert await heard("filed") == trace | {"x-key": marked("rotated")}
            file.write_text(f"{key}\nX-Project-ID: other")
            with pytest.raises(UpstreamDown, match=r"headers\.x-key: is not one line of ASCII"):
                await heard("filed")
            await until(lambda: not state_of(upstreams, "filed").up)
            file.write_text(key)
            await until(lambda: state_of(upstreams, "filed").up)
            file.unlink()
            with pytest.raises(UpstreamDown, match=r"filed: headers\.x-key: the file .* cannot be"):
                await heard("filed")
            await until(lambda: not state_of(upstreams, "filed").up)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:9/secret", "http://10.0.0.1/mcp", "file:///etc/passwd", "/other"]
)
async def test_a_redirect_is_not_followed_be_it_of_a_list_or_of_a_call(
    status: int, where: str
) -> None:
    upstream, turned, followed = Upstream(), False, 0
    inner = upstream.app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal followed
        if scope["type"] == "http" and scope["path"] != "/mcp":
            followed += 1
        if scope["type"] != "http" or not turned:
            await inner(scope, receive, send)
            return
        headers = [(b"location", where.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as url:
        async with following(away={"url": f"{url}/mcp"}) as upstreams:
            turned = True
            with pytest.raises(UpstreamRedirected, match=f"away: {status} to "):
                await called(upstreams, "away.echo")
            await until(lambda: not state_of(upstreams, "away").up, 5)
            assert f"away: {status} to " in (state_of(upstreams, "away").reason or "")
            turned = False
            await until(lambda: state_of(upstreams, "away").up)
    assert followed == 0
    assert upstream.seen == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe", "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
    ],
)  # fmt: skip
async def test_what_leads_to_a_machines_credentials_is_not_connected_to(host: str) -> None:
    config = config_of({}, there={"url": f"http://{host}/mcp", "timeout_seconds": 5})
    async with Upstreams(config, {}) as upstreams:
        await until(lambda: "link-local" in (state_of(upstreams, "there").reason or ""))


async def test_an_address_is_looked_at_and_no_other_is_connected_to() -> None:
    with pytest.raises(UpstreamRefused):
        await Guarded().connect_tcp("fe80::1%lo", 9)
    with pytest.raises(httpcore2.ConnectError):
        await Guarded().connect_tcp("no-such-name.invalid", 9, timeout=5)
    assert [is_refused(each) for each in ("127.0.0.1", "10.1.2.3", "fd00:ec2::253", "::1")] == [
        False
    ] * 4


@pytest.mark.parametrize(
    ("allow_link_local", "failure"), [(False, UpstreamRefused), (True, httpx2.ConnectError)]
)
async def test_a_link_local_address_may_be_meant(
    allow_link_local: bool, failure: type[Exception]
) -> None:
    connections = Connections(1, allow_link_local=allow_link_local)
    with pytest.raises(failure):
        # Of the loopback's own link, on which nobody listens.
        await connections.handle_async_request(httpx2.Request("GET", "http://[fe80::1%lo]:9/"))
    await connections.aclose()


async def test_a_call_is_one_request_and_its_result_is_the_agents_to_check() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = Tool(name="count", input_schema={"type": "object"}, output_schema=schema)
    async with offering(tool) as (url, asked):
        async with following(one={"url": url}) as upstreams:
            asked.clear()
            result = await called(upstreams, "one.count")
            assert result.structured_content == {"n": "no"}
            assert asked == ["tools/call"]


async def test_arguments_that_belong_into_headers_are_there() -> None:
    region = {"type": "string", "x-mcp-header": "Region"}
    tool = Tool(name="put", input_schema={"type": "object", "properties": {"region": region}})
    async with offering(tool) as (url, _):
        async with following(one={"url": url}) as upstreams:
            # The server refuses the call where the header is not there, or says something else.
            result = await called(upstreams, "one.put", {"region": "eu west \u00fc"})
            assert not result.is_error


async def test_of_tools_with_one_name_or_with_a_senseless_one_none_is_offered() -> None:
    names = ["good", "twice", "twice", "with.dot", "with space", "", "x" * 97, "file_s", "\u0430b"]
    tools = [Tool(name=name, input_schema={"type": "object"}) for name in names]
    async with offering(*tools) as (url, _):
        async with following(one={"url": url}) as upstreams:
            assert [tool.name for tool in upstreams.tools()] == ["one.good", "one.file_s"]


async def test_a_server_that_says_too_much_of_its_tools_is_down() -> None:
    long = Tool(name="long", description="x" * 5000, input_schema={"type": "object"})
    async with offering(long) as (url, _):
        config = config_of({}, long={"url": url, "max_result_bytes": 4096})
        async with Upstreams(config, {}) as upstreams:
            await until(lambda: "more than 4096" in (state_of(upstreams, "long").reason or ""))


async def test_a_call_that_did_not_reach_the_server_is_a_reason_to_look_at_it_at_once() -> None:
    upstream = Upstream()
    async with served(upstream.app()) as url:
        context = following(refresh=3600, files={"url": f"{url}/mcp"})
        upstreams = await context.__aenter__()
    try:
        with pytest.raises(UpstreamDown):
            await called(upstreams, "files.echo")
        await until(lambda: not state_of(upstreams, "files").up, 5)
        assert upstreams.tools() == []
    finally:
        await context.__aexit__(None, None, None)


@pytest.mark.parametrize("status", [401, 403, 502, 503, 504])
async def test_a_server_that_cannot_be_asked_is_down_and_its_status_says_why(status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text="no")

    app = web.Application()
    app.router.add_post("/mcp", answer)
    async with listening(app) as url:
        async with Upstreams(config_of({}, gone={"url": f"{url}/mcp"}), {}) as upstreams:
            await until(lambda: state_of(upstreams, "gone").reason == f"gone: answered {status}")


@pytest.mark.parametrize(
    "body",
    ["", "no JSON", "[]", "{}", '{"jsonrpc": "2.0", "id": 1, "result": {"tools": 7}}', "9" * 5000],
)
async def test_whatever_a_server_answers_it_is_asked_again(body: str) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/mcp", answer)
    upstream = Upstream()
    async with listening(app) as broken, served(upstream.app()) as good:
        config = config_of(
            {}, odd={"url": f"{broken}/mcp", "timeout_seconds": 1}, good={"url": f"{good}/mcp"}
        )
        async with Upstreams(config, {}, refresh=1) as upstreams:
            await until(lambda: asked > 0)
            before = asked
            await until(lambda: asked >= before + 4 and state_of(upstreams, "good").up)
            assert not state_of(upstreams, "odd").up
            assert state_of(upstreams, "odd").reason != "not asked yet"
            assert await told(upstreams, "good.echo", text="well") == "well"


async def test_an_answer_that_cannot_be_read_is_told_without_a_piece_of_it() -> None:
    upstream = Upstream()
    app = upstream.app()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        """Its tools are listed, and a call of one is answered with half an answer."""
        said = await receive() if scope["type"] == "http" else {}
        if b"tools/call" in said.get("body", b""):
            head = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b'{"jsonrpc": "2.0", "a secret'})
            return
        read = False

        async def again() -> Any:
            nonlocal read
            if read:
                return await receive()
            read = True
            return said

        await app(scope, again if said else receive, send)

    async with served(broken) as url, following(files={"url": f"{url}/mcp"}) as upstreams:
        with pytest.raises(UpstreamError) as raised:
            await called(upstreams, "files.echo", {"text": "x"})
    assert type(raised.value) is UpstreamError
    assert raised.value.code == "upstream_broken"


async def answer_as(tools: list[dict[str, Any]], request: web.Request) -> web.Response:
    """As a server of 2025 that offers these tools, page after page without an end."""
    said = await request.json()
    match said["method"]:
        case "initialize":
            result: dict[str, Any] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "odd", "version": "1"},
            }
        case "tools/list":
            page = int((said.get("params") or {}).get("cursor", 0))
            named = [tool | {"name": f"{tool['name']}-{page}"} for tool in tools]
            result = {"tools": named, "nextCursor": str(page + 1)}
        case _ if "id" in said:
            error = {"code": -32601, "message": "?"}
            return web.json_response({"jsonrpc": "2.0", "id": said["id"], "error": error})
        case _:
            return web.Response(status=202)
    return web.json_response({"jsonrpc": "2.0", "id": said["id"], "result": result})


async def test_pages_without_an_end_are_read_to_a_bound() -> None:
    app = web.Application()
    tool = {"name": "echo", "inputSchema": {"type": "object"}}
    app.router.add_post("/mcp", partial(answer_as, [tool]))
    async with listening(app) as url, following(endless={"url": f"{url}/mcp"}) as upstreams:
        assert len(upstreams.tools()) == 50


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"in": schema}}
    return schema


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "a", "description": "\ud800", "inputSchema": {"type": "object"}},
        {"name": "a", "inputSchema": deep(400)},
        {"name": "a", "inputSchema": {"type": "object", "properties": 7}},
        {"name": "a", "inputSchema": {"type": "object", "x-mcp-header": []}},
    ],
)
async def test_a_tool_that_nobody_expected_harms_no_other_server(tool: dict[str, Any]) -> None:
    upstream, app = Upstream(), web.Application()
    app.router.add_post("/mcp", partial(answer_as, [tool]))
    async with listening(app) as odd, served(upstream.app()) as good:
        config = config_of({}, odd={"url": f"{odd}/mcp"}, good={"url": f"{good}/mcp"})
        async with Upstreams(config, {}, refresh=0.5) as upstreams:
            await until(lambda: state_of(upstreams, "odd").reason != "not asked yet")
            await until(lambda: state_of(upstreams, "good").up)
            assert await told(upstreams, "good.echo", text="well") == "well"
            state = state_of(upstreams, "odd")
            assert (state.up, state.reason is None) in ((True, True), (False, False))
            assert (state.reason or "").isprintable()


AT = {"url": "http://127.0.0.1:9/mcp"}


class Surprising(OneServer):
    """A server at which something goes wrong that none of its errors is for."""

    def __init__(self) -> None:
        super().__init__("surprising", config_of(surprising=AT).servers["surprising"])
        self.looks = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        yield

    async def tools(self) -> list[Tool]:
        self.looks += 1
        if self.looks != 3:
            raise KeyError("surprise")
        return [Tool(name="echo", input_schema={"type": "object"})]

    async def _call(self, *_: Any) -> CallToolResult:
        raise NotImplementedError


async def test_what_nobody_expected_counts_as_down_and_the_server_is_asked_again() -> None:
    server = Surprising()
    followed = Followed(server, Pins(), 0.2)
    await until(lambda: followed.state.reason == "KeyError, which nobody expected")
    await until(lambda: followed.state.up)
    assert list(followed.offered) == ["surprising.echo"]
    await until(lambda: not followed.state.up)
    assert followed.offered == {}
    await followed.end()
