"""Streams that are cut at every byte, clients that leave: nothing made up, nothing left over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from api.litellm_client.client import load_litellm
from reading import read_stream, text_of
from running import Service, serving_alone, settings_for
from wire_faults import Act, FaultServer, Pause, Step, fault_server
from wire_parts import EVENTS, chunked, encoded, head

PIECES = ["Grüße", ", 世界", " 😀 und", " Ende."]
TEXT = "".join(PIECES)


def event(**body: Any) -> bytes:
    return b"data: " + encoded(body) + b"\n\n"


DELTAS = [event(choices=[{"delta": {"content": piece}}]) for piece in PIECES]
FINISH = event(choices=[{"finish_reason": "stop"}])
COUNTED = event(usage={"prompt_tokens": 11, "completion_tokens": 5})
STREAM = b"".join([*DELTAS, FINISH, COUNTED, b"data: [DONE]\n\n"])
FINISHED = len(b"".join([*DELTAS, FINISH]))
"""So many bytes say how the answer finished."""
CUTS = [(place, how) for how in ("close", "reset", "chunked") for place in range(len(STREAM) + 1)]
AT_ONCE = 50


def script(model: str, _: bool) -> Iterable[Step]:
    """`close--20` is cut at byte 20; what is not cut never ends, or never begins."""
    name, number = model.split("--")
    sent = STREAM[: int(number)]
    if name == "silent":
        yield Act.HANG
    elif name == "endless":
        yield head(kind=EVENTS)
        for n in count():
            yield event(choices=[{"delta": {"content": f"{n} "}}])
            yield Pause(0.05)
    elif name == "chunked":
        yield head("200 OK", EVENTS, "Transfer-Encoding: chunked")
        yield chunked(sent) if sent else b""
    else:
        yield head(kind=EVENTS) + sent
        if name == "reset":
            yield Pause(0.01)
            yield Act.RESET


@asynccontextmanager
async def api_before_faults(client: str) -> AsyncIterator[tuple[Service, FaultServer]]:
    load_litellm()
    async with fault_server(script) as faults:
        async with serving_alone(settings_for(faults.url, llm_client=client)) as service:
            # The first stream of a process starts what all of them share, in sse-starlette.
            async with service.post("/llm/stream", model=f"close--{FINISHED}", prompt="first") as r:
                await read_stream(r)
            faults.requests.clear()
            yield service, faults


async def all_at_once(one: Callable[[Any], Awaitable[None]], of: Sequence[Any]) -> None:
    """A few at a time; the first failure ends the test."""
    places = asyncio.Semaphore(AT_ONCE)

    async def placed(item: Any) -> None:
        async with places:
            await one(item)

    async with asyncio.TaskGroup() as group:
        for item in of:
            group.create_task(placed(item))


def tasks_of_the_api() -> int:
    """Those of the tests' other servers are left out: each has one for every idle connection."""
    return sum("RequestHandler" not in repr(task.get_coro()) for task in asyncio.all_tasks())


async def check_nothing_is_left(service: Service, faults: FaultServer, tasks: int) -> None:
    assert await faults.all_closed(), f"open at the gateway: {+faults.open}"
    assert service.admission.in_flight == 0
    for _ in range(100):
        if tasks_of_the_api() <= tasks:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"left over: {asyncio.all_tasks()}")


@pytest.mark.parametrize(("client", "cuts"), [("wire", CUTS), ("litellm", CUTS[::9])])
async def test_a_stream_cut_at_any_byte_is_a_prefix_and_complete_only_if_it_said_so(
    client: str, cuts: list[tuple[int, str]]
) -> None:
    async with api_before_faults(client) as (service, faults):
        tasks = tasks_of_the_api()

        async def one(cut: tuple[int, str]) -> None:
            place, how = cut
            model = f"{how}--{place}"
            async with service.post("/llm/stream", model=model, prompt="cut") as r:
                if r.status != 200:
                    assert (await r.json())["code"] == "upstream_failed"
                    assert how != "close" or place < len(DELTAS[0])
                    return
                events = await read_stream(r)
            text, last = text_of(events), events[-1]
            assert TEXT.startswith(text)
            assert faults.requests[model] == 1 or not text, "tried again after its first byte"
            if last.name == "done":
                assert place >= FINISHED, "complete, but nobody said so"
                assert (text, last.data["status"]) == (TEXT, "complete")
            else:
                assert last.data["code"] == "stream_interrupted"
                assert how != "close" or place < FINISHED, "not complete, but it was"

        await all_at_once(one, cuts)
        await check_nothing_is_left(service, faults, tasks)
    assert client != "wire" or len(cuts) >= 1000


@pytest.mark.parametrize(("client", "number"), [("wire", 1000), ("litellm", 200)])
async def test_of_clients_that_leave_no_task_and_no_connection_is_left(
    client: str, number: int
) -> None:
    async with api_before_faults(client) as (service, faults):
        tasks = tasks_of_the_api()

        async def one(n: int) -> None:
            path = "/llm/stream" if n % 4 else "/llm/complete"
            if n % 2:
                async with service.post(path, model=f"endless--{n}", prompt="leave") as r:
                    assert b"event: meta" in await r.content.readany()
                    r.close()
                return
            model = f"silent--{n}"
            waiting = asyncio.ensure_future(service.post(path, model=model, prompt="leave"))
            while not faults.requests[model]:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])

        await all_at_once(one, range(number))
        await check_nothing_is_left(service, faults, tasks)
        assert faults.requests.total() == number, "tried again for somebody who left"
