"""Every way a gateway or a network breaks, on the bare wire: one name, one end, both lanes.

What LiteLLM itself answers is in test_failures.py; this is what it cannot be made to send.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from api.litellm_client.client import load_litellm
from local.run.ports import free_port
from reading import read_stream, text_of
from running import Service, serving, serving_alone, settings_for
from wire_breaks import HTTP, NETWORK
from wire_contents import CONTENT, LIMITS, RETRY_AFTERS
from wire_faults import FaultServer, Step, fault_server
from wire_parts import PIECES, SECRET, TEXT

FAULTS = NETWORK | HTTP | CONTENT | LIMITS
SECRETS = (SECRET, "sk-", "litellm", "OpenAIException", "aiohttp", "httpx", "127.0.0.1", "poison")
SHORT = 1.5
"""The deadline, in seconds, of calls that nothing else would end."""
LONG = 20


@dataclass(frozen=True)
class Problem:
    """A failure with its true status, after so many calls of the gateway."""

    status: int
    code: str
    tries: int


@dataclass(frozen=True)
class Cut:
    """A stream that ends with an error, after this text."""

    code: str
    text: str


@dataclass(frozen=True)
class Answer:
    """An answer with all of its text, unless it is another one."""

    status: str = "complete"
    finish_reason: str = "stop"
    text: str = TEXT
    counted: bool = True


Outcome = Problem | Cut | Answer

FAILED = Problem(502, "upstream_failed", 2)
UNAVAILABLE = Problem(503, "gateway_unavailable", 2)
TIMEOUT = Problem(504, "gateway_timeout", 1)
REJECTED = Problem(400, "prompt_rejected", 1)
LIMITED = Problem(429, "rate_limited", 3)
COMPLETE = Answer()
UNCOUNTED = Answer(counted=False)
EMPTY = Answer("empty", text="")
INTERRUPTED = Cut("stream_interrupted", PIECES[0])

TABLE: dict[str, tuple[Outcome, Outcome]] = {
    # fault: what a whole answer becomes, what a stream becomes
    "close-before-headers": (UNAVAILABLE, UNAVAILABLE),
    "reset-before-headers": (UNAVAILABLE, UNAVAILABLE),
    "close-in-headers": (UNAVAILABLE, UNAVAILABLE),
    "reset-in-headers": (UNAVAILABLE, UNAVAILABLE),
    "not-http": (UNAVAILABLE, UNAVAILABLE),
    "reset-after-headers": (FAILED, FAILED),
    "reset-in-body": (FAILED, INTERRUPTED),
    "close-in-body": (FAILED, INTERRUPTED),
    "hang-before-headers": (TIMEOUT, TIMEOUT),
    "hang-in-headers": (TIMEOUT, TIMEOUT),
    "hang-between-chunks": (TIMEOUT, Cut("gateway_timeout", PIECES[0])),
    "hang-after-last-token": (TIMEOUT, Cut("gateway_timeout", TEXT)),
    "hang-after-finish": (TIMEOUT, UNCOUNTED),
    "reset-after-finish": (COMPLETE, UNCOUNTED),
    "one-byte-a-second": (TIMEOUT, TIMEOUT),
    "status-413": (REJECTED, REJECTED),
    "status-413-html": (REJECTED, REJECTED),
    "status-529": (FAILED, FAILED),
    "status-529-html": (FAILED, FAILED),
    "html-200": (FAILED, FAILED),
    "html-502": (UNAVAILABLE, UNAVAILABLE),
    "empty-200": (FAILED, FAILED),
    "status-204": (FAILED, FAILED),
    "status-302": (FAILED, FAILED),
    "status-101": (FAILED, FAILED),
    "status-103-first": (COMPLETE, COMPLETE),
    "wrong-type": (COMPLETE, COMPLETE),
    "huge-body": (FAILED, FAILED),
    "huge-body-announced": (FAILED, FAILED),
    "huge-error-body": (FAILED, FAILED),
    "shorter-than-announced": (FAILED, Cut("stream_interrupted", TEXT)),
    "longer-than-announced": (COMPLETE, COMPLETE),
    "broken-chunking": (UNAVAILABLE, INTERRUPTED),
    "thousands-of-headers": (UNAVAILABLE, UNAVAILABLE),
    "one-huge-header": (UNAVAILABLE, UNAVAILABLE),
    "valid": (COMPLETE, COMPLETE),
    "invalid-json": (FAILED, FAILED),
    "json-of-something-else": (FAILED, FAILED),
    "deep-json": (FAILED, FAILED),
    "huge-line": (FAILED, FAILED),
    "invalid-utf-8": (FAILED, FAILED),
    "split-characters": (COMPLETE, COMPLETE),
    "crlf": (COMPLETE, COMPLETE),
    "cr": (COMPLETE, COMPLETE),
    "byte-order-mark": (COMPLETE, COMPLETE),
    "comments": (COMPLETE, COMPLETE),
    "fields": (COMPLETE, COMPLETE),
    "data-of-many-lines": (COMPLETE, COMPLETE),
    "no-done": (COMPLETE, COMPLETE),
    "no-finish-reason": (FAILED, Cut("stream_interrupted", TEXT)),
    "empty-finish-reason": (FAILED, Cut("stream_interrupted", TEXT)),
    "done-first": (FAILED, FAILED),
    "error-first-429": (LIMITED, LIMITED),
    "error-first-500": (FAILED, FAILED),
    "error-first-400": (REJECTED, REJECTED),
    "error-later-429": (LIMITED, Cut("stream_interrupted", TEXT)),
    "error-later-500": (FAILED, Cut("stream_interrupted", TEXT)),
    "error-later-400": (REJECTED, Cut("stream_interrupted", TEXT)),
    "error-of-text": (FAILED, FAILED),
    "error-of-a-long-code": (FAILED, FAILED),
    "no-choices": (FAILED, FAILED),
    "empty-choices": (FAILED, FAILED),
    "null-content": (EMPTY, EMPTY),
    "content-of-parts": (FAILED, FAILED),
    "tool-calls": (
        replace(EMPTY, finish_reason="tool_calls"),
        replace(EMPTY, finish_reason="tool_calls", counted=False),
    ),
    "duplicated-final": (COMPLETE, COMPLETE),
    "usage-missing": (UNCOUNTED, UNCOUNTED),
    "usage-null": (UNCOUNTED, UNCOUNTED),
    "usage-negative": (UNCOUNTED, UNCOUNTED),
    "usage-absurd": (UNCOUNTED, UNCOUNTED),
    "usage-endless": (UNCOUNTED, UNCOUNTED),
    "usage-of-words": (UNCOUNTED, UNCOUNTED),
    "usage-of-reasoning": (COMPLETE, COMPLETE),
    "usage-a-list": (UNCOUNTED, UNCOUNTED),
}
IN_LITELLM: dict[str, tuple[Outcome, Outcome]] = {
    # aiohttp tells nobody that the encoding broke. Our client looks at its connection now and then;
    # the one under litellm's transport is out of reach, so there it is the deadline that ends it.
    "broken-chunking": (UNAVAILABLE, Cut("gateway_timeout", PIECES[0])),
}


def script(model: str, is_stream: bool) -> Sequence[Step]:
    fault = FAULTS[model.partition("--")[0]]
    return fault.stream if is_stream else fault.whole


@pytest.fixture(scope="module")
async def faults() -> AsyncIterator[FaultServer]:
    load_litellm()  # takes seconds, and would take them from the first call's deadline
    async with fault_server(script) as server:
        yield server


def test_every_fault_has_its_row() -> None:
    assert TABLE.keys() == FAULTS.keys() - LIMITS.keys()


@pytest.mark.parametrize("fault", TABLE)
async def test_a_fault_has_one_name_and_an_end(faults: FaultServer, lane: str, fault: str) -> None:
    outcomes = TABLE[fault] if lane == "wire" else IN_LITELLM.get(fault, TABLE[fault])
    async with api(faults.url, lane, *outcomes) as service:
        await asyncio.gather(
            whole(service, faults, f"{fault}--{lane[:4]}-whole", outcomes[0]),
            stream(service, faults, f"{fault}--{lane[:4]}-stream", outcomes[1]),
        )


def api(url: str, lane: str, *outcomes: Outcome) -> AbstractAsyncContextManager[Service]:
    """An API of its own where the gateway looks dead, which all calls of a process may be told."""
    codes = [getattr(outcome, "code", "") for outcome in outcomes]
    seconds = SHORT if "gateway_timeout" in codes else LONG
    settings = settings_for(url, llm_client=lane, llm_timeout_seconds=seconds)
    return serving_alone(settings) if "gateway_unavailable" in codes else serving(settings)


async def whole(service: Service, faults: FaultServer, model: str, expected: Outcome) -> None:
    began = time.monotonic()
    async with service.post("/llm/complete", model=model, prompt="whole") as r:
        body = await r.json()
    check_time(expected, time.monotonic() - began)
    if isinstance(expected, Problem):
        check_problem(r, body, expected)
    else:
        assert r.status == 200, body
        assert r.content_type == "application/json"
        check_answer(body, body["text"], expected)
    await check_upstream(faults, model, expected)


async def stream(service: Service, faults: FaultServer, model: str, expected: Outcome) -> None:
    began = time.monotonic()
    async with service.post("/llm/stream", model=model, prompt="stream") as r:
        if isinstance(expected, Problem):
            check_problem(r, await r.json(), expected)
        else:
            events = await read_stream(r)
            last = events[-1]
            assert not leaks(str(events))
            if isinstance(expected, Cut):
                assert (last.name, last.data["code"]) == ("error", expected.code)
                assert text_of(events) == expected.text
            else:
                assert last.name == "done", last.data
                check_answer(last.data, text_of(events), expected)
    check_time(expected, time.monotonic() - began)
    await check_upstream(faults, model, expected)


def check_problem(r: Any, body: dict[str, Any], expected: Problem) -> None:
    assert r.status == expected.status, body
    assert r.content_type == "application/problem+json"
    assert (body["code"], body["status"]) == (expected.code, expected.status)
    assert [a["outcome"] for a in body["attempts"]] == [expected.code] * expected.tries
    assert ("Retry-After" in r.headers) == (expected.status in {429, 503})
    assert not leaks(f"{body} {r.headers} {r.reason}")


def check_answer(body: dict[str, Any], text: str, expected: Outcome) -> None:
    assert isinstance(expected, Answer)
    assert text == expected.text
    assert (body["status"], body["finish_reason"]) == (expected.status, expected.finish_reason)
    counted = {"input_tokens": 11, "output_tokens": 5, "reasoning_tokens": 0, "total_tokens": 16}
    assert body["usage"] == (counted if expected.counted else None)
    outcome = "empty" if expected.status == "empty" else "ok"
    assert [a["outcome"] for a in body["attempts"]] == [outcome]
    assert not leaks(str(body))


def check_time(expected: Outcome, took: float) -> None:
    is_timeout = getattr(expected, "code", "") == "gateway_timeout"
    assert took < SHORT + 3 if is_timeout else took < 8
    assert took > SHORT - 0.1 or not is_timeout


async def check_upstream(faults: FaultServer, model: str, expected: Outcome) -> None:
    tries = expected.tries if isinstance(expected, Problem) else 1
    assert faults.requests[model] == tries
    assert await faults.all_closed(model), "a connection is open to a call that is over"


def leaks(said: str) -> list[str]:
    return [secret for secret in SECRETS if secret in said]


async def test_a_finished_answer_is_not_held_back_long_for_its_usage(
    faults: FaultServer, lane: str
) -> None:
    model = f"hang-after-finish--{lane[:4]}-long"
    settings = settings_for(faults.url, llm_client=lane, llm_timeout_seconds=LONG)
    async with serving(settings) as service:
        await stream(service, faults, model, UNCOUNTED)


@pytest.mark.parametrize("name", RETRY_AFTERS)
async def test_an_odd_time_to_come_back_is_no_time_and_a_far_one_is_not_waited_for(
    faults: FaultServer, lane: str, name: str
) -> None:
    tries, least, most = {
        "zero": (3, 0, 0),
        "past": (3, 0, 0),
        "future": (1, 3000, 3600),
    }.get(name, (3, 10, 10))
    async with serving(settings_for(faults.url, llm_client=lane)) as service:

        async def check(path: str, model: str) -> None:
            async with service.post(path, model=model, prompt="later") as r:
                body = await r.json()
            check_problem(r, body, replace(LIMITED, tries=tries))
            assert least <= int(r.headers["Retry-After"]) <= most
            assert body["retry_after"] == int(r.headers["Retry-After"])
            assert faults.requests[model] == tries

        await asyncio.gather(
            check("/llm/complete", f"after-{name}--{lane[:4]}"),
            check("/llm/stream", f"provider-{name}--{lane[:4]}"),
        )


async def test_a_connection_that_held_more_than_its_answer_is_not_used_again(
    faults: FaultServer, lane: str
) -> None:
    model = f"longer-than-announced--{lane[:4]}-again"
    async with serving_alone(settings_for(faults.url, llm_client=lane)) as service:
        for path in ("/llm/complete", "/llm/stream") * 2:
            async with service.post(path, model=model, prompt="again") as r:
                assert r.status == 200
                assert not leaks(await r.text())
    assert faults.requests[model] == 4


async def test_a_closed_port_is_an_unreachable_gateway(lane: str) -> None:
    settings = settings_for(f"http://127.0.0.1:{free_port()}/v1", llm_client=lane)
    async with serving_alone(settings) as service:
        for path in ("/llm/complete", "/llm/stream"):
            async with service.post(path, prompt="refused") as r:
                check_problem(r, await r.json(), UNAVAILABLE)
