"""The fault models behind the real LiteLLM: what each makes it answer, whole and streamed."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from local.fault_models import WORDS
from local.run.assembly import FAULT_MODELS
from local.run.config import read
from make_run import MASTER_KEY, Run
from running import ATTRIBUTED

ALIASES = {entry["model_name"] for entry in read(FAULT_MODELS)["model_list"]}
TEXT = "".join(WORDS)
DONE = b"data: [DONE]\n\n"

FAIL_BOTH_WAYS = {
    "fail-429": 429,
    "fail-429-retry-after": 429,
    "fail-500": 500,
    "fail-503": 503,
    "fail-401": 401,
    "fail-400": 400,
    "hang": 408,
}
FAIL_WHOLE = {"cut": 500, "cut-clean": 502, "garbage": 500, "html": 500}
FAIL_IN_THE_STREAM = {"cut": "500", "cut-clean": "502", "garbage": "500"}
ANSWER_ODDLY = {"slow", "empty", "filtered", "flaky"}


@dataclass(frozen=True)
class Answer:
    """What the gateway answered, and when its first text came, in seconds."""

    status: int
    headers: Any
    body: bytes
    first_word: float
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def chunks(self) -> list[dict[str, Any]]:
        events = self.body.removesuffix(DONE).decode().split("\n\n")
        return [json.loads(event.removeprefix("data: ")) for event in events if event]

    @property
    def text(self) -> str:
        deltas = [c["choices"][0]["delta"] for c in self.chunks if c.get("choices")]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def finish_reasons(self) -> list[str]:
        choices = [c["choices"][0] for c in self.chunks if c.get("choices")]
        return [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]


@dataclass(frozen=True)
class Gateway:
    url: str
    http: aiohttp.ClientSession

    async def ask(self, model: str, *, stream: bool, max_tokens: int = 50) -> Answer:
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": model, "messages": messages, "max_tokens": max_tokens, "stream": stream}
        options: dict[str, Any] = {"metadata": ATTRIBUTED}
        options |= {"stream_options": {"include_usage": True}} if stream else {}
        began = time.monotonic()
        async with self.http.post(f"{self.url}/chat/completions", json=body | options) as response:
            read, first_word = b"", 0.0
            async for piece in response.content.iter_any():
                read += piece
                if not first_word and WORDS[0].encode() in read:
                    first_word = time.monotonic() - began
            seconds = time.monotonic() - began
            return Answer(response.status, response.headers, read, first_word, seconds)


@pytest.fixture
async def local(run: Run) -> AsyncIterator[Gateway]:
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        yield Gateway(run.gateway, http)


def test_every_fault_model_is_tried_here() -> None:
    assert {*FAIL_BOTH_WAYS, *FAIL_WHOLE, *FAIL_IN_THE_STREAM, *ANSWER_ODDLY} == ALIASES


async def test_the_gateway_lists_them(local: Gateway) -> None:
    async with local.http.get(f"{local.url}/models") as response:
        assert response.status == 200
        listed = {model["id"] for model in (await response.json())["data"]}
    assert listed >= ALIASES


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "status"), FAIL_BOTH_WAYS.items())
async def test_a_failure_has_its_status_whole_and_streamed(
    local: Gateway, model: str, status: int, stream: bool
) -> None:
    answer = await local.ask(model, stream=stream)
    assert answer.status == status
    assert answer.json["error"]["code"] == str(status)
    assert answer.headers.get("llm_provider-retry-after") == ("2" if "retry" in model else None)
    assert 4.5 < answer.seconds < 9 if model == "hang" else answer.seconds < 4.5


@pytest.mark.parametrize(("model", "status"), FAIL_WHOLE.items())
async def test_a_broken_answer_is_an_error(local: Gateway, model: str, status: int) -> None:
    answer = await local.ask(model, stream=False)
    assert answer.status == status
    assert answer.json["error"]["code"] == str(status)


@pytest.mark.parametrize(("model", "code"), FAIL_IN_THE_STREAM.items())
async def test_a_broken_stream_ends_in_an_error_and_never_in_done(
    local: Gateway, model: str, code: str
) -> None:
    answer = await local.ask(model, stream=True)
    assert answer.status == 200
    assert answer.text == "".join(WORDS[:4])
    assert answer.finish_reasons == []
    assert answer.chunks[-1]["error"]["code"] == code
    assert DONE not in answer.body


async def test_a_page_where_a_stream_was_asked_for_is_an_error_with_its_status(
    local: Gateway,
) -> None:
    answer = await local.ask("html", stream=True)
    assert answer.status == 502
    assert answer.json["error"]["code"] == "502"


async def test_slow_answers_in_the_end(local: Gateway) -> None:
    whole, streamed = await asyncio.gather(
        local.ask("slow", stream=False), local.ask("slow", stream=True)
    )
    assert whole.status == streamed.status == 200
    assert whole.json["choices"][0]["message"]["content"] == streamed.text == TEXT
    assert 2.5 < streamed.first_word < 5
    assert streamed.seconds > streamed.first_word + 0.4 * (len(WORDS) - 1)
    assert streamed.body.endswith(DONE)


@pytest.mark.parametrize("stream", [False, True])
async def test_empty_has_thought_too_long_and_answers_when_given_more_room(
    local: Gateway, stream: bool
) -> None:
    empty = await local.ask("empty", stream=stream)
    roomy = await local.ask("empty", stream=stream, max_tokens=4096)
    assert empty.status == roomy.status == 200
    if stream:
        assert (empty.text, empty.finish_reasons) == ("", ["length"])
        assert (roomy.text, roomy.finish_reasons) == (TEXT, ["stop"])
        assert empty.body.endswith(DONE)
        usage = empty.chunks[-1]["usage"]
    else:
        (choice,) = empty.json["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (None, "length")
        assert roomy.json["choices"][0]["message"]["content"] == TEXT
        usage = empty.json["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 50
    assert usage["completion_tokens"] == 50


async def test_filtered_stops_where_the_filter_stopped_it(local: Gateway) -> None:
    whole = await local.ask("filtered", stream=False)
    streamed = await local.ask("filtered", stream=True)
    assert whole.status == streamed.status == 200
    (choice,) = whole.json["choices"]
    assert choice["message"]["content"] == streamed.text == "".join(WORDS[:4])
    assert choice["finish_reason"] == "content_filter"
    assert streamed.finish_reasons == ["content_filter"]
    assert streamed.body.endswith(DONE)


@pytest.mark.parametrize("stream", [False, True])
async def test_flaky_fails_every_other_time(local: Gateway, stream: bool) -> None:
    statuses = [(await local.ask("flaky", stream=stream)).status for _ in range(4)]
    assert sorted(statuses[:2]) == [200, 500]
    assert statuses[2:] == statuses[:2]


def test_without_its_port_it_says_so_in_one_line(run: Run) -> None:
    taken = run.gateway.rpartition(":")[2].removesuffix("/v1")
    command = [sys.executable, "-m", "local.fault_models", "--port", taken]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert re.fullmatch(r"fault models: .*address already in use.*\n", ended.stderr)
