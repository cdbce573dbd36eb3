"""A gateway that plays scripts on the bare socket, so that it can send anything and break anywhere.

The model's name says which script; what follows `--` in it only tells calls apart. It counts what
it was asked and which connections are open, by model, so a test sees every retry and every leak.
"""

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

AT_ONCE = struct.pack("ii", 1, 0)


class Act(Enum):
    RESET = "the connection is reset: the other side reads an error, not an end"
    HANG = "nothing more is sent; the connection stays until the other side closes it"
    NEXT = "the answer is over; the connection waits for another request"


@dataclass(frozen=True)
class Pause:
    seconds: float


Step = bytes | Pause | Act
"""What is sent, or done. After the last step the connection is closed, cleanly."""

Script = Callable[[str, bool], Iterable[Step]]
"""From the model's name and whether a stream is asked for."""


@dataclass
class FaultServer:
    """The server's memory."""

    url: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    """How many requests came, by model."""
    open: Counter[str] = field(default_factory=Counter)
    """How many of them hold a connection that the other side has not closed, by model."""
    connections: int = 0

    async def all_closed(self, model: str | None = None, seconds: float = 3) -> bool:
        """Whether no call, or none of this model, holds a connection before the time is over."""
        for _ in range(int(seconds / 0.02)):
            if (self.open.total() if model is None else self.open[model]) == 0:
                return True
            await asyncio.sleep(0.02)
        return False


@asynccontextmanager
async def fault_server(script: Script) -> AsyncIterator[FaultServer]:
    """Serves the scripts on a free port; on leaving, cuts what is still open."""
    memory = FaultServer()
    players: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        memory.connections += 1
        player = asyncio.ensure_future(serve(reader, writer, script, memory))
        players.add(player)
        player.add_done_callback(players.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    memory.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield memory
    finally:
        server.close()
        for player in players:
            player.cancel()
        await asyncio.gather(*players, return_exceptions=True)


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, script: Script, memory: FaultServer
) -> None:
    """One connection, from its first request to its end."""
    try:
        goes_on = True
        while goes_on:
            model, is_stream = await request_of(reader)
            memory.requests[model] += 1
            memory.open[model] += 1
            try:
                goes_on = await play(script(model, is_stream), reader, writer)
            finally:
                memory.open[model] -= 1
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.transport.abort()


async def request_of(reader: asyncio.StreamReader) -> tuple[str, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    body = json.loads(await reader.readexactly(int(length.partition(b":")[2])))
    return body["model"], body.get("stream", False)


async def play(
    steps: Iterable[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Plays a script; whether the connection takes another request after it.

    Raises:
        ConnectionError: the other side closed before the end.
    """
    for step in steps:
        match step:
            case bytes():
                writer.write(step)
                await writer.drain()
            case Pause(seconds):
                await pause(reader, seconds)
            case Act.RESET:
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                return False
            case Act.HANG:
                await reader.read()
                return False
            case Act.NEXT:
                return True
    writer.write_eof()
    await reader.read()
    return False


async def pause(reader: asyncio.StreamReader, seconds: float) -> None:
    """Waits, as long as the other side does."""
    try:
        async with asyncio.timeout(seconds):
            await reader.read()
    except TimeoutError:
        return
    raise ConnectionAbortedError
