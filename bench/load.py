"""The load client: one cheap keep-alive connection per caller, so the clock measures the service.

Every answer is checked. The first that is not a 200 with the whole text ends the run.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

from httptools import HttpResponseParser

from bench.process import cpu_seconds

WARM_UP_SECONDS = 0.5
ANSWER_WITHIN_SECONDS = 60.0


class WrongAnswerError(Exception):
    """A target answered something else than a 200 with the whole text."""


@dataclass(frozen=True)
class Ask:
    """The bytes of one request, the same every time, and what its answer must hold."""

    target: str
    port: int
    pid: int
    request: bytes
    wrong: Callable[[bytes], str | None]


@dataclass
class Window:
    """What happened between two readings of the clock."""

    answers: int
    seconds: float
    cpu_seconds: float
    latencies: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One caller: asks, waits for the whole answer, and may ask again."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.parser = HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.answered: asyncio.Future[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        if self.answered and not self.answered.done():
            self.answered.set_result(perf_counter())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered and not self.answered.done():
            self.answered.set_exception(
                WrongAnswerError(
                    f"{self.ask.target} closed the connection: {exc or 'no reason given'}"
                )
            )

    async def call(self) -> tuple[float, float]:
        """Asks once; the moments of asking and of the answer's last byte, in seconds."""
        self.parts.clear()
        self.answered = asyncio.get_running_loop().create_future()
        asked = perf_counter()
        self.transport.write(self.ask.request)
        answered = await self.answered
        body, status = b"".join(self.parts), self.parser.get_status_code()
        wrong = f"status {status}" if status != 200 else self.ask.wrong(body)
        if wrong:
            raise WrongAnswerError(f"{self.ask.target}: {wrong}; it answered {body[-300:]!r}")
        return asked, answered


async def connect(ask: Ask) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(ask), "127.0.0.1", ask.port)
    return connection


async def closed_loop(ask: Ask, *, callers: int, seconds: float) -> Window:
    """`callers` ask again as soon as they are answered; counts what ended within `seconds`."""
    calls: list[tuple[float, float]] = []
    stopping = asyncio.Event()

    async def caller() -> None:
        connection = await connect(ask)
        while not stopping.is_set():
            calls.append(await connection.call())
        connection.transport.close()

    async with asyncio.timeout(ANSWER_WITHIN_SECONDS + seconds), asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
        await asyncio.sleep(WARM_UP_SECONDS)
        began, cpu_before = perf_counter(), cpu_seconds(ask.pid)
        await asyncio.sleep(seconds)
        ended, cpu_after = perf_counter(), cpu_seconds(ask.pid)
        stopping.set()
    latencies = [end - start for start, end in calls if began <= end <= ended]
    return Window(len(latencies), ended - began, cpu_after - cpu_before, latencies)


async def one_after_another(ask: Ask, *, seconds: float) -> Window:
    """One caller, one warm-up call, then call after call until `seconds` have passed."""
    async with asyncio.timeout(ANSWER_WITHIN_SECONDS + seconds):
        connection = await connect(ask)
        await connection.call()
        began, cpu_before = perf_counter(), cpu_seconds(ask.pid)
        latencies: list[float] = []
        while perf_counter() - began < seconds:
            start, end = await connection.call()
            latencies.append(end - start)
        cpu_after = cpu_seconds(ask.pid)
        connection.transport.close()
    return Window(len(latencies), sum(latencies), cpu_after - cpu_before, latencies)
