"""`Idempotency-Key` on `/llm/complete`: one call, one bill, the same answer for all who ask."""

import asyncio
from typing import Any

import pytest

from conftest import RunningProvider
from running import RunningGateway, Service, serving_alone, settings_for

PATH = "/llm/complete"


async def ask(
    service: Service, key: str, project: str = "demo", **body: Any
) -> tuple[int, bytes, bool]:
    """Status, body, and whether it was given before."""
    headers = {"X-Project-ID": project, "Idempotency-Key": key}
    async with service.http.post(service.url + PATH, json=body, headers=headers) as r:
        return r.status, await r.read(), r.headers.get("Idempotent-Replayed") == "true"


async def test_the_same_key_gets_the_same_answer_and_no_second_call(
    gateway: RunningGateway, provider: RunningProvider, lane: str
) -> None:
    prompt = f"once, {lane}"
    async with serving_alone(settings_for(gateway.url, llm_client=lane)) as service:
        first = await ask(service, "k-1", prompt=prompt)
        second = await ask(service, "k-1", prompt=prompt)
    assert first[0] == second[0] == 200
    assert first[1] == second[1]
    assert (first[2], second[2]) == (False, True)
    assert len(provider.seen.for_prompt(prompt)) == 1


async def test_whoever_asks_while_the_first_still_runs_waits_for_its_answer(
    provider: RunningProvider,
) -> None:
    body = {"prompt": "while it runs", "model": "silent-0.5"}
    async with serving_alone(settings_for(provider.url)) as service:
        answers = await asyncio.gather(*(ask(service, "k-2", **body) for _ in range(20)))
    assert {answer[:2] for answer in answers} == {answers[0][:2]}
    assert sorted(answer[2] for answer in answers) == [False] + [True] * 19
    assert len(provider.seen.for_prompt("while it runs")) == 1


async def test_a_client_that_lost_its_connection_finds_its_answer_when_it_asks_again(
    provider: RunningProvider,
) -> None:
    body = {"prompt": "lost", "model": "silent-0.5"}
    async with serving_alone(settings_for(provider.url)) as service:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(service, "k-3", **body), 0.2)
        status, _, replayed = await ask(service, "k-3", **body)
        assert (status, replayed) == (200, True)
        assert service.admission.in_flight == 0
    assert len(provider.seen.for_prompt("lost")) == 1


async def test_the_same_key_with_another_body_is_refused_during_and_after_the_call(
    provider: RunningProvider,
) -> None:
    body = {"prompt": "mine", "model": "silent-0.5"}
    other = {"prompt": "not mine"}
    async with serving_alone(settings_for(provider.url)) as service:
        first = asyncio.create_task(ask(service, "k-4", **body))
        await asyncio.sleep(0.2)
        during = await ask(service, "k-4", **other)
        assert (await first)[0] == 200
        after = await ask(service, "k-4", **other)
    for status, text, _ in (during, after):
        assert status == 422
        assert b'"code":"idempotency_key_reused"' in text
    assert provider.seen.for_prompt("not mine") == []


async def test_a_key_is_its_projects_own(provider: RunningProvider) -> None:
    async with serving_alone(settings_for(provider.url)) as service:
        for project in ("one", "two"):
            status, text, replayed = await ask(service, "k-5", project, prompt="projects")
            assert (status, replayed) == (200, False)
            assert f'"project_id":"{project}"'.encode() in text
    assert len(provider.seen.for_prompt("projects")) == 2


async def test_a_failure_is_told_to_all_who_wait_and_is_not_kept(
    provider: RunningProvider,
) -> None:
    body = {"prompt": "failure", "model": "silent-30"}
    settings = settings_for(provider.url, llm_timeout_seconds=0.5)
    async with serving_alone(settings) as service:
        answers = await asyncio.gather(*(ask(service, "k-6", **body) for _ in range(5)))
        assert {answer[0] for answer in answers} == {504}
        assert len(provider.seen.for_prompt("failure")) == 1
        assert (await ask(service, "k-6", **body))[0] == 504
        assert len(provider.seen.for_prompt("failure")) == 2
        assert (await ask(service, "k-6", prompt="failure"))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("Idempotency-Key", "")],
        [("Idempotency-Key", "a b")],
        [("Idempotency-Key", "ä")],
        [("Idempotency-Key", "x" * 256)],
        [("Idempotency-Key", "a"), ("Idempotency-Key", "a")],
    ],
)
async def test_a_key_that_is_none_is_refused_without_a_call(
    provider: RunningProvider, headers: list[tuple[str, str]]
) -> None:
    before = len(provider.seen.calls)
    async with serving_alone(settings_for(provider.url)) as service:
        for path in (PATH, "/llm/stream"):
            sent = [("X-Project-ID", "demo"), *headers]
            async with service.http.post(
                service.url + path, json={"prompt": "x"}, headers=sent
            ) as r:
                problem = await r.json()
            assert (r.status, problem["code"]) == (422, "invalid_request")
            assert problem["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert len(provider.seen.calls) == before


async def test_server_timing_says_where_the_time_went_and_of_a_replay_that_it_is_one(
    provider: RunningProvider,
) -> None:
    headers = {"X-Project-ID": "demo", "Idempotency-Key": "k-7"}
    body = {"prompt": "timing", "model": "silent-0.2"}
    async with serving_alone(settings_for(provider.url)) as service:
        timings = []
        for _ in range(2):
            async with service.http.post(service.url + PATH, json=body, headers=headers) as r:
                timings.append(r.headers["Server-Timing"])
        async with service.post(PATH, model="status-400", prompt="timing") as r:
            timings.append(r.headers["Server-Timing"])
        async with service.get("/llm/test") as r:
            timings.append(r.headers["Server-Timing"])
    durations = dict(part.split(";dur=") for part in timings[0].split(", "))
    assert int(durations["gateway"]) >= 200
    assert int(durations["wait"]) == 0
    assert timings[1] == "replayed"
    assert [timing.split("=")[0] for timing in timings[2:]] == ["gateway;dur"] * 2
