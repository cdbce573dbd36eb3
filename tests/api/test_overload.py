"""More than can be done, and readers that do not read: bounded, and nobody else is harmed."""

import asyncio
import json
import socket
import time

import pytest
from aiohttp import web

from chassis.server.server import listen
from conftest import RunningProvider
from local.openai_wire import chunk, last_chunks
from provider import WORDS
from reading import read_stream, text_of
from running import Service, answering_completions, listening, serving_alone, settings_for

PROJECT = {"X-Project-ID": "demo"}


async def test_one_call_too_many_is_refused_within_20_ms_and_a_hundred_others_go_on(
    provider: RunningProvider,
) -> None:
    settings = settings_for(provider.url, llm_max_in_flight=100)
    async with serving_alone(settings) as service:

        async def one() -> str:
            async with service.post("/llm/stream", model="silent-1", prompt="full") as r:
                return text_of(await read_stream(r))

        others = [asyncio.create_task(one()) for _ in range(100)]
        while service.admission.in_flight < 100:
            await asyncio.sleep(0.01)
        refusals = []
        for path in ("/llm/complete", "/llm/stream") * 10:
            began = time.monotonic()
            async with service.post(path, prompt="one too many") as r:
                assert (r.status, (await r.json())["code"]) == (503, "overloaded")
                assert r.headers["Retry-After"] == "1"
            refusals.append(time.monotonic() - began)
        assert sorted(refusals)[len(refusals) // 2] < 0.02
        assert set(await asyncio.gather(*others)) == {"".join(WORDS)}
        assert service.admission.in_flight == 0
    assert provider.seen.for_prompt("one too many") == []


class Flood:
    """A gateway that streams without end, as fast as it is read, and counts what it got rid of."""

    def __init__(self) -> None:
        self.sent = 0
        self.aborted = False

    async def complete(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        try:
            while True:
                data = b"".join(chunk("flood", {"content": "x" * 100}) for _ in range(20))
                await stream.write(data)
                self.sent += len(data)
                await asyncio.sleep(0)
        except (asyncio.CancelledError, ConnectionResetError):
            self.aborted = True
            raise


async def open_without_reading(service: Service, *more: str) -> socket.socket:
    """A client that asks for a stream and never reads; its own buffer is as small as can be."""
    host, port = service.url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    body = json.dumps({"prompt": "flood"}).encode()
    head = [
        "POST /llm/stream HTTP/1.1",
        f"Host: {host}",
        "X-Project-ID: demo",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *more,
    ]
    await loop.sock_sendall(client, "\r\n".join([*head, "", ""]).encode() + body)
    return client


async def test_a_client_that_does_not_read_stops_the_gateway_and_not_the_others() -> None:
    flood = Flood()
    async with (
        answering_completions(flood.complete) as url,
        serving_alone(settings_for(url)) as service,
    ):
        client = await open_without_reading(service)
        before = -1
        async with asyncio.timeout(20):
            while flood.sent == 0 or flood.sent > before:
                before = flood.sent
                await asyncio.sleep(0.5)
        stalled = flood.sent
        assert stalled < 32 * 1024 * 1024, "what the kernel's buffers hold, and no more"
        began = time.monotonic()
        async with service.get("/health/live") as r:
            assert r.status == 200
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.5)
        assert flood.sent == stalled
        client.close()
        async with asyncio.timeout(3):
            while not flood.aborted or service.admission.in_flight:
                await asyncio.sleep(0.02)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
async def test_a_connection_that_nobody_reads_does_not_stay_open() -> None:
    loop = asyncio.get_running_loop()
    with listen("127.0.0.1", 0, unread_seconds=1) as listener, socket.socket() as client:
        listener.listen()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        with listener.accept()[0] as server:
            server.setblocking(False)
            with pytest.raises(TimeoutError, match="timed out"):
                async with asyncio.timeout(20):
                    while True:
                        await loop.sock_sendall(server, b"x" * 65536)


async def test_a_reader_slower_than_the_gateway_gets_every_character() -> None:
    words = [f"{n:07d} " for n in range(20_000)]

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for start in range(0, len(words), 500):
            pieces = (chunk("big", {"content": word}) for word in words[start : start + 500])
            await stream.write(b"".join(pieces))
        await stream.write(last_chunks("big", "stop", len(words)))
        return stream

    async with answering_completions(answer) as url, serving_alone(settings_for(url)) as service:
        async with service.post("/llm/stream", prompt="slowly") as r:
            await asyncio.sleep(1)
            events = await read_stream(r)
    assert text_of(events) == "".join(words)
    assert events[-1].name == "done"


async def test_a_reader_left_behind_by_a_faster_one_is_told_that_its_stream_is_not_complete() -> (
    None
):
    answered = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await answered.wait()
        for _ in range(8000):
            await stream.write(chunk("big", {"content": "x" * 1000}))
        await stream.write(last_chunks("big", "stop", 1))
        return stream

    loop = asyncio.get_running_loop()
    async with answering_completions(answer) as url, serving_alone(settings_for(url)) as service:
        name = "Idempotency-Key: two-readers"
        slow = await open_without_reading(service, name, "Connection: close")
        await asyncio.sleep(0.2)
        headers = PROJECT | dict([name.split(": ")])
        path = service.url + "/llm/stream"
        asked = asyncio.create_task(
            service.http.post(path, json={"prompt": "flood"}, headers=headers)
        )
        await asyncio.sleep(0.2)
        answered.set()
        async with await asked as r:
            assert (await read_stream(r))[-1].name == "done"
        received = bytearray()
        while read := await loop.sock_recv(slow, 1024 * 1024):
            received += read
        slow.close()
    assert received.count(b"event: error") == 1
    assert b'"code":"stream_interrupted"' in received.rpartition(b"event: error")[2]


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_a_body_without_an_end_is_refused_when_it_is_too_large(
    provider: RunningProvider, path: str
) -> None:
    settings = settings_for(provider.url, max_body_bytes=64 * 1024)
    taken = 0

    async def endless() -> object:
        nonlocal taken
        yield b'{"prompt": "'
        while True:
            taken += 8192
            yield b"x" * 8192
            await asyncio.sleep(0)

    headers = PROJECT | {"Content-Type": "application/json"}
    async with serving_alone(settings) as service, asyncio.timeout(10):
        async with service.http.post(service.url + path, data=endless(), headers=headers) as r:
            assert (r.status, (await r.json())["code"]) == (413, "request_too_large")
    assert taken < 32 * 1024 * 1024


async def test_a_crowd_that_asks_for_readiness_is_one_question_to_the_gateway() -> None:
    asked = 0
    may_answer = asyncio.Event()

    async def ready(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await may_answer.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/health/readiness", ready)
    async with listening(app) as url, serving_alone(settings_for(f"{url}/v1")) as service:

        async def ask() -> int:
            async with service.http.get(service.url + "/health/ready") as response:
                return response.status

        crowd = [asyncio.create_task(ask()) for _ in range(50)]
        await asyncio.sleep(0.5)
        crowd[0].cancel()
        may_answer.set()
        assert await asyncio.gather(*crowd[1:]) == [200] * 49
        assert asked == 1
        assert await ask() == 200
        assert asked == 2
