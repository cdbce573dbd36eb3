"""Clients that are slow on purpose, or too many, lose their connections, and nobody else does."""

import asyncio
from contextlib import suppress

from chassis.server.connection import Connection
from conftest import RunningProvider
from raw import DEMO, JSON, PROMPT, Line, get, post
from running import Service, serving_alone, settings_for

SLOW = 200
CHUNKED = b"POST /llm/complete HTTP/1.1\r\n" + DEMO + JSON + b"Transfer-Encoding: chunked\r\n\r\n"


class Impatient(Connection):
    head_seconds = 0.5
    body_seconds = 0.5


class Patient(Connection):
    head_seconds = 60.0
    body_seconds = 60.0


async def drip(line: Line, piece: bytes, every: float = 0.1) -> None:
    """Sends this again and again until the other side has had enough."""
    with suppress(ConnectionError):
        while not line.reader.at_eof():
            await line.send(piece)
            await asyncio.sleep(every)


async def is_closed_on(service: Service, first: bytes, then: bytes = b"") -> bytes:
    """What a client is told that begins like this and goes on like that, for ever."""
    line = await Line.to(service.url)
    await line.send(first)
    dripping = asyncio.create_task(drip(line, then))
    said = await line.hear_end()
    dripping.cancel()
    line.close()
    return said.data


async def test_a_request_that_does_not_end_loses_its_connection_however_it_is_slow(
    provider: RunningProvider,
) -> None:
    before = len(provider.seen.calls)
    begun = post(body=b'{"prompt"', length=50)
    async with serving_alone(settings_for(provider.url), connection=Impatient) as service:
        told = await asyncio.gather(
            is_closed_on(service, b""),
            is_closed_on(service, b"", b"\r\n"),
            is_closed_on(service, b"GET /hea"),
            is_closed_on(service, b"GET /health HTTP/1.1\r\n", b"X-A: b\r\n"),
            is_closed_on(service, begun),
            is_closed_on(service, begun, b" "),
            is_closed_on(service, CHUNKED, b"1\r\n \r\n"),
        )
    assert told == [b""] * 7
    assert len(provider.seen.calls) == before


async def test_a_body_that_goes_on_after_its_answer_loses_its_connection(
    provider: RunningProvider,
) -> None:
    endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving_alone(settings_for(provider.url), connection=Impatient) as service:
        answer = await is_closed_on(service, endless, b"1\r\n \r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_nobody_waits_for_a_client_that_is_being_answered(provider: RunningProvider) -> None:
    async with serving_alone(settings_for(provider.url), connection=Impatient) as service:
        line = await Line.to(service.url)
        await line.send(post(body=b'{"prompt": "hi", "model": "silent-1.5"}'))
        said = await line.hear(3)
        assert said.status_line == "HTTP/1.1 200 OK"
        assert not said.closed, "kept for the next request"
        await line.send(get("/health"))
        assert (await line.hear()).status_line == "HTTP/1.1 200 OK"
        line.close()


async def test_two_hundred_slow_clients_hold_up_nobody_and_lose_their_connections(
    provider: RunningProvider,
) -> None:
    class Slowly(Connection):
        head_seconds = 2.0

    async with serving_alone(settings_for(provider.url), connection=Slowly) as service:
        lines = [await Line.to(service.url) for _ in range(SLOW)]
        for line in lines:
            await line.send(b"POST /llm/complete HTTP/1.1\r\n")
        dripping = [asyncio.create_task(drip(line, b"X-A: b\r\n", 0.25)) for line in lines]
        for _ in range(20):
            async with service.post("/llm/complete", prompt="Among the slow") as r:
                assert r.status == 200
        ends = await asyncio.gather(*(line.hear_end() for line in lines))
        for task in dripping:
            task.cancel()
        for line in lines:
            line.close()
    assert [said.data for said in ends] == [b""] * SLOW
    assert len(provider.seen.for_prompt("Among the slow")) == 20


async def test_above_the_bound_the_connection_that_is_idle_for_longest_makes_room(
    provider: RunningProvider,
) -> None:
    settings = settings_for(provider.url)
    async with serving_alone(settings, connection=Patient, connections=10) as service:
        lines = [await Line.to(service.url) for _ in range(10)]
        busy = lines[0]
        await busy.send(post(body=b'{"prompt": "hi", "model": "silent-1.5"}'))
        await asyncio.sleep(0.3)
        later = [await Line.to(service.url) for _ in range(4)]
        ends = await asyncio.gather(*(line.hear_end() for line in lines[1:5]))
        assert [said.data for said in ends] == [b""] * 4
        for line in (*lines[5:], *later):
            await line.send(get("/health"))
            assert (await line.hear(0.2)).status_line == "HTTP/1.1 200 OK"
        assert (await busy.hear(3)).status_line == "HTTP/1.1 200 OK"
        for line in (*lines, *later):
            line.close()


async def test_when_every_connection_is_being_answered_a_new_one_is_closed(
    provider: RunningProvider,
) -> None:
    async with serving_alone(
        settings_for(provider.url), connection=Patient, connections=3
    ) as service:
        lines = [await Line.to(service.url) for _ in range(3)]
        for line in lines:
            await line.send(post(body=b'{"prompt": "hi", "model": "silent-1.5"}'))
        await asyncio.sleep(0.3)
        refused = await Line.to(service.url)
        assert (await refused.hear_end()).data == b""
        for line in (*lines, refused):
            said = await line.hear(3)
            assert said.status_line == ("" if line is refused else "HTTP/1.1 200 OK")
            line.close()


async def test_a_head_may_have_a_thousand_headers_and_not_a_hundred_thousand(
    provider: RunningProvider,
) -> None:
    async with serving_alone(settings_for(provider.url), connection=Patient) as service:
        for count, status in (
            (1000, "200 OK"),
            (10_000, "413 Request Entity Too Large"),
            (100_000, ""),
        ):
            more = b"".join(b"X-%d: value\r\n" % n for n in range(count))
            line = await Line.to(service.url)
            sending = asyncio.create_task(send_if_it_takes_it(line, get("/health", more=more)))
            said = await line.hear()
            await sending
            line.close()
            if status:
                assert said.status_line == f"HTTP/1.1 {status}"
                assert said.code == ("" if count == 1000 else "request_too_large")
            assert said.closed is (count > 1000)


async def send_if_it_takes_it(line: Line, data: bytes) -> None:
    with suppress(ConnectionError):
        await line.send(data)


async def test_one_header_that_never_ends_is_refused_without_being_kept(
    provider: RunningProvider,
) -> None:
    async with serving_alone(settings_for(provider.url), connection=Patient) as service:
        line = await Line.to(service.url)
        await line.send(b"GET /health HTTP/1.1\r\nX-A: ")
        await drip(line, b"a" * 16_000, 0.01)
        assert (await line.hear_end()).status_line in {"HTTP/1.1 413 Request Entity Too Large", ""}
        line.close()


async def test_a_body_cannot_ask_for_another_protocol_and_become_a_second_request(
    provider: RunningProvider,
) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    async with serving_alone(settings_for(provider.url), connection=Patient) as service:
        line = await Line.to(service.url)
        second = get("/llm/models")
        await line.send(post(more=upgrade, body=b"", length=len(second)))
        await asyncio.sleep(0.2)
        await send_if_it_takes_it(line, second)
        said = await line.hear_end()
        line.close()
        assert (said.status_line, said.answers) == ("HTTP/1.1 400 Bad Request", 1)
        assert said.body == (
            b"This service speaks HTTP/1.1 alone: send a body without asking for another protocol."
        )
        line = await Line.to(service.url)
        await line.send(get("/health", more=upgrade))
        said = await line.hear_end()
        line.close()
        assert (said.status_line, said.answers) == ("HTTP/1.1 200 OK", 1)


async def test_what_follows_the_body_is_no_header(provider: RunningProvider) -> None:
    piece = b"%x\r\n%b\r\n" % (len(PROMPT), PROMPT)
    head = CHUNKED.replace(b"X-Project-ID: demo\r\n", b"")
    async with serving_alone(settings_for(provider.url), connection=Patient) as service:
        for begin, status in ((CHUNKED, "200 OK"), (head, "400 Bad Request")):
            line = await Line.to(service.url)
            await line.send(begin + piece + b"0\r\nX-Project-ID: other\r\n\r\n")
            said = await line.hear()
            line.close()
            assert said.status_line == f"HTTP/1.1 {status}"
            assert status == "200 OK" or said.code == "project_missing"
