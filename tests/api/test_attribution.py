"""Attribution that arrives: what the gateway received and booked, not what we passed somewhere."""

import asyncio
import re
from typing import Any

import pytest

from reading import read_stream
from running import MASTER_KEY, RunningGateway, serving, settings_for

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def expected(project: str, trace_id: str, session_id: str | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "project_id": project,
        "solution": "a-solution",
        "trace_id": trace_id,
        "trace_metadata": {"project_id": project, "solution": "a-solution"},
        "tags": [f"project:{project}", "solution:a-solution"],
    }
    return metadata if session_id is None else metadata | {"session_id": session_id}


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_the_gateway_receives_the_attribution_whole_and_streamed(
    gateway: RunningGateway, lane: str, path: str
) -> None:
    prompt = f"attributed, {lane}, {path}"
    settings = settings_for(gateway.url, llm_client=lane, solution="a-solution")
    async with serving(settings) as service:
        async with service.post(path, project="alpha", prompt=prompt, session_id="s 1") as r:
            if path == "/llm/stream":
                trace_id = (await read_stream(r))[0].data["trace_id"]
            else:
                trace_id = (await r.json())["trace_id"]
    (received,) = await gateway.recorded("received", prompt)
    assert received["metadata"] == expected("alpha", trace_id, "s 1")
    assert received["model"] == "ok", "the bare alias"
    assert re.fullmatch(f"00-{trace_id}-[0-9a-f]{{16}}-01", received["traceparent"])
    (booked,) = await gateway.recorded("booked", prompt)
    assert booked["metadata"]["project_id"] == "alpha"
    assert booked["metadata"]["solution"] == "a-solution"


async def test_nothing_else_is_sent_along(provider: Any, lane: str) -> None:
    prompt = f"on the wire, {lane}"
    settings = settings_for(provider.url, llm_client=lane, solution="a-solution")
    async with serving(settings) as service:
        async with service.post("/llm/complete", project="alpha", prompt=prompt) as r:
            trace_id = (await r.json())["trace_id"]
        async with service.post("/llm/stream", project="alpha", prompt=prompt) as r:
            stream_trace_id = (await read_stream(r))[0].data["trace_id"]
    whole, streamed = provider.seen.for_prompt(prompt)
    asked = {"model": "ok", "messages": [{"role": "user", "content": prompt}], "max_tokens": 1024}
    assert whole.body == asked | {"metadata": expected("alpha", trace_id)}
    assert streamed.body == asked | {
        "metadata": expected("alpha", stream_trace_id),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert whole.headers["authorization"] == f"Bearer {MASTER_KEY}"


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_every_attempt_of_a_failed_call_is_attributed(
    gateway: RunningGateway, lane: str, path: str
) -> None:
    prompt = f"failed, {lane}, {path}"
    settings = settings_for(
        gateway.url,
        llm_client=lane,
        solution="a-solution",
        llm_fallback_models=("status-503",),
    )
    async with serving(settings) as service:
        async with service.post(path, project="beta", model="status-500", prompt=prompt) as r:
            trace_id = (await r.json())["trace_id"]
    assert r.status == 502
    received = await gateway.recorded("received", prompt, 3)
    assert [x["model"] for x in received] == ["status-500", "status-500", "status-503"]
    assert [x["metadata"] for x in received] == [expected("beta", trace_id)] * 3
    failed = await gateway.recorded("failed", prompt, 3)
    assert {x["metadata"]["project_id"] for x in failed} == {"beta"}


async def test_the_callers_trace_is_continued(gateway: RunningGateway, lane: str) -> None:
    prompt = f"traced, {lane}"
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:
        headers = {"X-Project-ID": "demo", "traceparent": TRACEPARENT}
        async with service.http.post(
            service.url + "/llm/complete", json={"prompt": prompt}, headers=headers
        ) as r:
            answer = await r.json()
    assert answer["trace_id"] == TRACEPARENT.split("-")[1]
    (received,) = await gateway.recorded("received", prompt)
    assert received["metadata"]["trace_id"] == answer["trace_id"]
    assert received["traceparent"].split("-")[1] == answer["trace_id"]
    assert received["traceparent"].split("-")[2] != TRACEPARENT.split("-")[2], "a span of our own"


async def test_concurrent_calls_of_many_projects_never_share_a_trace_or_a_project(
    gateway: RunningGateway, lane: str
) -> None:
    async with serving(settings_for(gateway.url, llm_client=lane)) as service:

        async def call(number: int) -> dict[str, Any]:
            prompt = f"many, {lane}, {number}"
            async with service.post("/llm/complete", project=f"p-{number}", prompt=prompt) as r:
                answer: dict[str, Any] = await r.json()
                return answer

        answers = await asyncio.gather(*(call(number) for number in range(20)))
    assert len({answer["trace_id"] for answer in answers}) == 20
    for number in range(20):
        (received,) = await gateway.recorded("received", f"many, {lane}, {number}")
        assert received["metadata"]["project_id"] == f"p-{number}"
        assert received["metadata"]["trace_id"] == answers[number]["trace_id"]


async def test_llm_test_proves_attribution_check_by_check(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_default_model="gemini-3.5-flash")
    async with serving(settings) as service, service.get("/llm/test", project="gamma") as r:
        report = await r.json()
    assert r.status == 200
    assert report["ok"] is True
    assert {check["check"]: check["ok"] for check in report["checks"]} == {
        "gateway_reachable": True,
        "key_accepted": True,
        "model_routed": True,
        "answered": True,
        "attributed": True,
    }
    assert report["project_id"] == "gamma"


@pytest.mark.parametrize(
    ("changes", "status", "code", "verdicts"),
    [
        ({"key": "sk-wrong"}, 502, "gateway_key_rejected", [True, False, None, None, None]),
        (
            {"llm_default_model": "nosuch"},
            400,
            "model_not_allowed",
            [True, True, False, None, None],
        ),
        (
            {"llm_default_model": "status-500"},
            502,
            "upstream_failed",
            [True, True, True, False, None],
        ),
        ({"llm_default_model": "empty"}, 502, "upstream_failed", [True, True, True, False, True]),
    ],
)
async def test_llm_test_says_which_check_failed_with_the_true_error(
    gateway: RunningGateway, lane: str, changes: Any, status: int, code: str, verdicts: list[Any]
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, **changes)
    async with serving(settings) as service, service.get("/llm/test") as r:
        body = await r.json()
    assert (r.status, body["code"]) == (status, code)
    assert [check["ok"] for check in body["checks"]] == verdicts


async def test_llm_test_does_not_pass_when_only_a_fallback_answers(
    gateway: RunningGateway, lane: str
) -> None:
    settings = settings_for(
        gateway.url,
        llm_client=lane,
        llm_default_model="status-500",
        llm_fallback_models=("priced",),
    )
    async with serving(settings) as service, service.get("/llm/test") as r:
        body = await r.json()
    assert (r.status, body["code"]) == (502, "upstream_failed")
    assert [check["ok"] for check in body["checks"]] == [True, True, True, False, True]
    assert [a["model"] for a in body["attempts"]] == ["status-500", "status-500", "priced"]


async def test_attribution_is_unknown_where_the_gateway_does_not_say(provider: Any) -> None:
    async with serving(settings_for(provider.url)) as service, service.get("/llm/test") as r:
        report = await r.json()
    assert r.status == 200
    assert report["checks"][-1] == {
        "check": "attributed",
        "ok": None,
        "detail": "this gateway does not say what it books a call on",
    }
