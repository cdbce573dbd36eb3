"""The gateway's key is renewed under load: the file is read again, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from local.openai_wire import answer, chunk, last_chunks
from marked import marked
from running import Service, answering_completions, serving_alone, settings_for

OLD, NEW, NEWER, WRONG = (marked(name) for name in ("old", "new", "newer", "wrong"))
REFUSAL = {"error": {"message": "Invalid key", "type": "auth_error", "code": "401"}}


@dataclass
class Gateway:
    """Takes one key, as LiteLLM does, and keeps all that it was shown."""

    key: str = OLD
    url: str = ""
    shown: list[str] = field(default_factory=list)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        self.shown.append(request.headers["Authorization"].removeprefix("Bearer "))
        if self.shown[-1] != self.key:
            return web.json_response(REFUSAL, status=401)
        body = await request.json()
        if body.get("stream"):
            data = chunk("ok", {"content": "hi"}) + last_chunks("ok", "stop", 1)
            return web.Response(body=data, content_type="text/event-stream")
        return web.Response(body=answer("ok", "hi", "stop", 1), content_type="application/json")


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    async with answering_completions(gateway.complete) as gateway.url:
        yield gateway


def from_file(url: str, file: Path, lane: str) -> Any:
    return settings_for(
        url, llm_gateway_api_key=None, llm_gateway_api_key_file=file, llm_client=lane
    )


async def ask(service: Service, path: str) -> dict[str, Any] | None:
    """The problem, if it was not answered."""
    async with service.post(path, prompt="which key?") as r:
        await r.read()
        return None if r.status == 200 else await r.json()


async def test_a_key_that_is_renewed_under_load_costs_no_call(tmp_path: Path, lane: str) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)
    async with running(Gateway()) as gateway:
        async with serving_alone(from_file(gateway.url, file, lane)) as service:
            for path in ("/llm/complete", "/llm/stream"):
                assert await ask(service, path) is None
            problems: list[dict[str, Any] | None] = []
            is_over = False

            async def caller(path: str) -> None:
                while not is_over:
                    problems.append(await ask(service, path))

            async def more(calls: int) -> None:
                enough = len(problems) + calls
                while len(problems) < enough:
                    await asyncio.sleep(0.01)

            callers = [
                asyncio.create_task(caller(path)) for path in ("/llm/complete", "/llm/stream") * 5
            ]
            for key in (NEW, NEWER):
                await more(30)
                (tmp_path / "next").write_text(key)
                (tmp_path / "next").rename(file)
                gateway.key = key
            await more(60)
            is_over = True
            await asyncio.gather(*callers)
    assert [problem for problem in problems if problem] == []
    newest = gateway.shown.index(NEWER)
    assert set(gateway.shown[newest + 20 :]) == {NEWER}


async def test_a_key_that_was_not_renewed_is_refused_once_and_not_tried_again(
    tmp_path: Path, lane: str
) -> None:
    file = tmp_path / "key"
    file.write_text(WRONG)
    async with running(Gateway()) as gateway:
        async with serving_alone(from_file(gateway.url, file, lane)) as service:
            for path in ("/llm/complete", "/llm/stream"):
                problem = await ask(service, path)
                assert problem is not None
                assert (problem["status"], problem["code"]) == (502, "gateway_key_rejected")
                assert len(problem["attempts"]) == 1
            file.write_text(OLD)
            assert await ask(service, "/llm/complete") is None
    assert gateway.shown == [WRONG, WRONG, OLD]


async def test_the_new_key_gets_one_try_only(tmp_path: Path, lane: str) -> None:
    file = tmp_path / "key"
    file.write_text(WRONG)

    class Renewing(Gateway):
        async def complete(self, request: web.Request) -> web.StreamResponse:
            file.write_text(f"{WRONG}-{len(self.shown)}")
            return await super().complete(request)

    async with running(Renewing()) as gateway:
        async with serving_alone(from_file(gateway.url, file, lane)) as service:
            problem = await ask(service, "/llm/complete")
    assert problem is not None
    assert [attempt["outcome"] for attempt in problem["attempts"]] == ["gateway_key_rejected"] * 2
    assert gateway.shown == [WRONG, f"{WRONG}-0"]
