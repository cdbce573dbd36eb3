"""An answer that does not say how it finished is never passed on as complete."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from running import ATTRIBUTED, RunningGateway

DONE = "data: [DONE]"
CUT = "litellm.APIError: the answer ended without a finish_reason"


@dataclass(frozen=True)
class Asking:
    gateway: RunningGateway
    http: aiohttp.ClientSession

    def post(self, model: str, prompt: str, **more: Any) -> Any:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": model, "messages": messages, "metadata": ATTRIBUTED} | more
        return self.http.post(f"{self.gateway.url}/chat/completions", json=body)

    async def stream(self, model: str, prompt: str = "finish") -> list[str]:
        """The events as they came, after a 200."""
        options = {"stream": True, "stream_options": {"include_usage": True}}
        async with self.post(model, prompt, **options) as response:
            assert response.status == 200, await response.text()
            return [line for line in (await response.text()).split("\n\n") if line]


@pytest.fixture
async def asking(gateway: RunningGateway) -> AsyncIterator[Asking]:
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        yield Asking(gateway, http)


def finish_reasons(events: list[str]) -> list[str]:
    chunks = [json.loads(e.removeprefix("data: ")) for e in events if e != DONE]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", [])]
    return [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("ok", "stop"),
        ("long", "length"),
        ("filtered", "content_filter"),
        ("empty", "length"),
        ("tools", "tool_calls"),
        ("lastword", "length"),
        ("anthropic-ok", "length"),
        ("gemini-ok", "length"),
    ],
)
async def test_a_stream_that_says_how_it_finished_is_left_as_it_is(
    asking: Asking, model: str, reason: str
) -> None:
    events = await asking.stream(model)
    assert finish_reasons(events) == [reason]
    assert "usage" in json.loads(events[-2].removeprefix("data: "))
    assert events[-1] == DONE


@pytest.mark.parametrize("model", ["cutclean", "anthropic-cutclean"])
async def test_a_stream_that_was_cut_ends_in_an_error(asking: Asking, model: str) -> None:
    events = await asking.stream(model)
    assert finish_reasons(events) == []
    assert '"content":"Paris"' in "".join(events)
    error = json.loads(events[-1].removeprefix("data: "))["error"]
    assert (error["message"], error["code"]) == (CUT, "502")


async def test_a_cut_stream_is_booked_all_the_same(asking: Asking) -> None:
    prompt = "cut, and booked"
    await asking.stream("cutclean", prompt)
    await asking.gateway.recorded("booked", prompt)
    events = [line["event"] for line in asking.gateway.lines() if line.get("prompt") == prompt]
    assert events == ["received", "booked"]


async def test_a_whole_answer_that_does_not_say_how_it_finished_is_an_error(
    asking: Asking,
) -> None:
    async with asking.post("cut-clean", "whole, and cut") as response:
        body = await response.json()
    assert response.status == 502
    assert (body["error"]["message"], body["error"]["code"]) == (CUT, "502")
    assert len(await asking.gateway.recorded("booked", "whole, and cut")) == 1


async def test_of_a_stream_of_gemini_it_cannot_be_told(asking: Asking) -> None:
    """LiteLLM's own translation says `stop` in every chunk; see docs/decisions when it does not."""
    assert finish_reasons(await asking.stream("gemini-cutclean")) == ["stop"]
