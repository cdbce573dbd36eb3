"""Bytes on a socket, for what no HTTP client would send."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PROMPT = b'{"prompt": "raw"}'
DEMO = b"Host: localhost\r\nX-Project-ID: demo\r\n"
CLOSE = b"Connection: close\r\n"
JSON = b"Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Said:
    """All that came back until the server closed the connection, or said nothing more."""

    data: bytes
    closed: bool

    @property
    def status_line(self) -> str:
        return self.data.partition(b"\r\n")[0].decode()

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode()

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def code(self) -> str:
        """The problem's; nothing where the answer is none."""
        return str(self.json.get("code", "")) if self.body.startswith(b"{") else ""

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def answers(self) -> int:
        return len(re.findall(rb"HTTP/1\.1 \d{3} ", self.data))


@dataclass(frozen=True)
class Line:
    """One connection to the service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, url: str) -> "Line":
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, quiet: float = 0.5) -> Said:
        """What comes until the connection is closed, or quiet for so many seconds."""
        data = b""
        try:
            while piece := await asyncio.wait_for(self.reader.read(65536), quiet):
                data += piece
        except TimeoutError:
            return Said(data, closed=False)
        except ConnectionError:
            pass
        return Said(data, closed=True)

    async def hear_end(self, seconds: float = 10) -> Said:
        """What comes until the connection is closed.

        Raises:
            AssertionError: it is open still.
        """
        said = await self.hear(seconds)
        assert said.closed, said.data
        return said

    def close(self) -> None:
        self.writer.close()


async def exchange(url: str, data: bytes) -> Said:
    """One request as these bytes, on a connection of its own."""
    line = await Line.to(url)
    try:
        await line.send(data)
        return await line.hear()
    finally:
        line.close()


def post(
    path: str = "/llm/complete",
    *,
    version: str = "1.1",
    more: bytes = b"",
    body: bytes = PROMPT,
    length: int | None = None,
) -> bytes:
    """A POST with its length, which may be a lie."""
    declared = len(body) if length is None else length
    head = f"POST {path} HTTP/{version}\r\n".encode() + DEMO + JSON + more
    return head + f"Content-Length: {declared}\r\n\r\n".encode() + body


def get(target: str, *, method: str = "GET", version: str = "1.1", more: bytes = b"") -> bytes:
    return f"{method} {target} HTTP/{version}\r\n".encode("latin-1") + DEMO + more + b"\r\n"


def chunked(*, more: bytes = b"", pieces: bytes, trailer: bytes = b"") -> bytes:
    """A POST in chunks, with a project in its head unless `more` brings another."""
    head = b"POST /llm/complete HTTP/1.1\r\nHost: localhost\r\n" + JSON + more
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n" + trailer + b"\r\n"
