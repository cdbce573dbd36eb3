"""Stands between the conformance suite and the tool gateway, for a client that cannot be told.

The suite calls tools by fixed names, and sends no header of a project: the relay puts the server's
name before the tool's and adds the header. All else goes through as it came, but for the white
space around a header's value.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiohttp import web

from running import listening
from runtime_mcp.tools.builtin import HELLO

HOP_BY_HOP = {"transfer-encoding", "content-length", "connection", "keep-alive", "date"}


@asynccontextmanager
async def relayed(behind: str, server: str) -> AsyncIterator[str]:
    """The address of a relay to `behind`, where `test` is `<server>.test`."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        relay = Relay(http, behind, server)
        app = web.Application()
        app.router.add_route("*", "/mcp", relay.handle)
        async with listening(app) as url:
            yield url


class Relay:
    def __init__(self, http: aiohttp.ClientSession, behind: str, server: str) -> None:
        self._http = http
        self._behind = behind
        self._prefix = f"{server}."

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        said = read(body)
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP]
        if said.get("method") == "tools/call" and said["params"]["name"] != HELLO:
            said["params"]["name"] = self._prefix + str(said["params"]["name"])
            body = json.dumps(said).encode()
            named = ((k, self._prefix + v if k.lower() == "mcp-name" else v) for k, v in headers)
            headers = list(named)
        headers.append(("X-Project-ID", "conformance"))
        url = self._behind + request.path
        async with self._http.request(request.method, url, data=body, headers=headers) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            with suppress(ConnectionError):  # the suite has heard enough
                async for part in answer.content.iter_any():
                    # Names of tools are in a listing alone, which comes in one piece.
                    unnamed = part.replace(f'"name":"{self._prefix}'.encode(), b'"name":"')
                    await response.write(unnamed)
                await response.write_eof()
        return response


def read(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and isinstance(said.get("params", {}), dict) else {}
