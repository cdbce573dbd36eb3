"""Those who watch are told of each call once, however it ends, and can harm none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.gateway.attribution import Solution
from api.gateway.key import GatewayKey
from api.gateway.peer import Gateway
from api.gateway.wire_client import WireClient
from api.llm.client import Deltas, Llm
from api.llm.observers import CallRecord
from chassis.errors import ServiceError
from chassis.project_id import ProjectId
from conftest import RunningProvider
from running import settings_for

DEMO, TESTS = ProjectId("demo"), Solution("tests")


class Watching:
    """Remembers what it was told; raises where it is told to."""

    def __init__(self, *, fails: bool = False, wants_text: bool = False) -> None:
        self.wants_text = wants_text
        self.fails = fails
        self.over: list[CallRecord] = []

    def ended(self, call: CallRecord) -> None:
        self.over.append(call)
        if self.fails:
            raise ZeroDivisionError


@asynccontextmanager
async def watched_by(url: str, *watchers: Watching, **changes: Any) -> AsyncIterator[Llm]:
    settings = settings_for(url, **changes)
    async with Gateway(settings.llm_gateway_url, GatewayKey("key")) as gateway:
        yield Llm(WireClient(gateway), settings, gateway.is_ready, watchers)


async def test_a_whole_answer_is_seen_with_its_attempts_and_its_ending(
    provider: RunningProvider,
) -> None:
    watching = Watching()
    async with watched_by(provider.url, watching) as llm:
        answer = await llm.complete("Hello", project_id=DEMO, solution=TESTS)
    (call,) = watching.over
    assert (call.outcome, call.status, call.call.streams) == ("complete", 200, False)
    assert call.call.attribution.project_id == DEMO
    assert call.ending is not None
    assert answer.usage is not None
    assert call.ending.usage is not None
    assert call.ending.usage.total_tokens == answer.usage.total_tokens
    (attempt,) = call.attempts
    assert (attempt.model, attempt.outcome, attempt.status) == ("ok", "ok", 200)
    assert attempt.request is not None
    assert 0 <= attempt.began <= attempt.ended <= call.seconds
    assert attempt.text == []


async def test_a_stream_is_over_at_its_end_and_not_at_its_beginning(
    provider: RunningProvider,
) -> None:
    watching = Watching(wants_text=True)
    async with watched_by(provider.url, watching) as llm:
        texts: list[str] = []
        async for event in llm.stream("Hello", project_id=DEMO, solution=TESTS):
            if isinstance(event, Deltas):
                texts += event.texts
                assert watching.over == []
    (call,) = watching.over
    assert (call.outcome, call.call.streams) == ("complete", True)
    assert call.first_text is not None
    assert 0 < call.first_text < call.seconds
    assert "".join(call.attempts[0].text) == "".join(texts)
    assert call.attempts[0].pieces == len([text for text in texts if text])


async def test_each_attempt_is_seen_the_failed_ones_and_the_fallback(
    provider: RunningProvider,
) -> None:
    watching = Watching()
    async with watched_by(
        provider.url,
        watching,
        llm_fallback_models=("status-400", "ok"),
        llm_default_model="status-500",
    ) as llm:
        await llm.complete("Hello", project_id=DEMO, solution=TESTS)
    (call,) = watching.over
    assert [(one.model, one.outcome) for one in call.attempts][-1] == ("ok", "ok")
    assert [one.outcome for one in call.attempts[:2]] == ["upstream_failed"] * 2
    assert call.attempts[0].reason
    assert call.outcome == "complete"


async def test_a_failed_call_is_seen_with_its_code_and_reason(provider: RunningProvider) -> None:
    watching = Watching()
    async with watched_by(provider.url, watching, llm_default_model="status-400") as llm:
        with pytest.raises(ServiceError) as raised:
            await llm.complete("Hello", project_id=DEMO, solution=TESTS)
    (call,) = watching.over
    assert (call.outcome, call.status) == (raised.value.code, raised.value.status)
    (attempt,) = call.attempts
    assert (attempt.reason, attempt.remedy) == (raised.value.reason, raised.value.remedy)
    assert attempt.error is None, "its frames hold the prompt, for as long as an observer keeps it"


async def test_an_abandoned_stream_is_seen_as_cancelled_with_what_came(
    provider: RunningProvider,
) -> None:
    watching = Watching()
    async with watched_by(provider.url, watching, llm_default_model="drip-100") as llm:
        events = llm.stream("Hello", project_id=DEMO, solution=TESTS)
        async for event in events:
            if isinstance(event, Deltas) and "".join(event.texts).startswith("3"):
                break
        await events.aclose()
    (call,) = watching.over
    assert (call.outcome, call.status) == ("cancelled", 499)
    (attempt,) = call.attempts
    assert (attempt.outcome, attempt.status) == ("cancelled", 499)
    assert attempt.pieces >= 4


async def test_a_call_whose_task_is_cancelled_is_seen_as_cancelled(
    provider: RunningProvider,
) -> None:
    watching = Watching()
    async with watched_by(provider.url, watching, llm_default_model="silent-30") as llm:
        task = asyncio.create_task(llm.complete("Hello", project_id=DEMO, solution=TESTS))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (call,) = watching.over
    assert (call.outcome, call.attempts[0].outcome) == ("cancelled", "cancelled")


async def test_a_watcher_that_fails_harms_neither_the_call_nor_the_other_watchers(
    provider: RunningProvider,
) -> None:
    failing, watching = Watching(fails=True), Watching()
    async with watched_by(provider.url, failing, watching) as llm:
        answer = await llm.complete("Hello", project_id=DEMO, solution=TESTS)
    assert answer.status == "complete"
    assert len(failing.over) == len(watching.over) == 1
