"""`GET /llm/test` with a Langfuse: true is what was read back, and all else is a failure."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

import langfuse_stand_in
from api.langfuse import trace_reader
from api.settings import Settings
from conftest import RunningProvider
from langfuse_stand_in import PUBLIC_KEY, SECRET_KEY, Langfuse
from local.langfuse.observations import observation_of
from local.langfuse.otlp import Span
from running import (
    RunningGateway,
    listening,
    running_gateway,
    serving,
    serving_alone,
    settings_for,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"X-Project-ID": "demo", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


def with_langfuse(gateway_url: str, langfuse_url: str, **changes: Any) -> Settings:
    keys = {
        "langfuse_public_key": SecretStr(PUBLIC_KEY),
        "langfuse_secret_key": SecretStr(SECRET_KEY),
    }
    return settings_for(gateway_url, langfuse_host=langfuse_url, **keys | changes)


async def asked_to_prove(settings: Settings) -> tuple[int, dict[str, Any]]:
    """The status and the body of a test in the trace of a caller."""
    async with serving_alone(settings) as service:
        url = f"{service.url}/llm/test"
        async with service.http.get(url, headers=PARENT) as response:
            return response.status, await response.json()


def verdicts(body: dict[str, Any]) -> list[bool | None]:
    return [check["ok"] for check in body["checks"]]


def generation(*projects: str, kind: str = "generation") -> Span:
    """A generation in the trace of the caller, booked on these."""
    said = {
        "langfuse.observation.type": kind,
        "langfuse.trace.tags": [f"project:{name}" for name in projects],
    }
    now = 4 * 10**18
    return Span(TRACE, f"{'-'.join(projects)}{kind}", "", "call", now, now, None, said, {}, 1)


@pytest.fixture(scope="module")
async def langfuse() -> AsyncIterator[tuple[Langfuse, str]]:
    kept = Langfuse()
    async with listening(langfuse_stand_in.create_app(kept)) as url:
        yield kept, url


@pytest.fixture(scope="module")
async def traced(
    provider: RunningProvider, langfuse: tuple[Langfuse, str]
) -> AsyncIterator[RunningGateway]:
    """The real gateway, whose traces go to that Langfuse."""
    async with running_gateway(provider.url, **langfuse_stand_in.settings(langfuse[1])) as gateway:
        yield gateway


async def test_the_real_gateways_trace_is_read_back_and_can_be_looked_at(
    traced: RunningGateway, langfuse: tuple[Langfuse, str], lane: str
) -> None:
    settings = with_langfuse(traced.url, langfuse[1], llm_client=lane, llm_default_model="priced")
    async with serving(settings) as service:
        async with service.get("/llm/test", project="gamma") as r:
            report = await r.json()
        assert r.status == 200, report
        assert verdicts(report) == [True] * 5
        assert report["checks"][-1]["detail"] == (
            "the gateway books the call on gamma; Langfuse has 1 generation, booked on gamma"
        )
        assert report["replica"] == socket.gethostname()
        assert report["cost_usd"] > 0
        assert re.fullmatch(r"\d+\.\d+\.\d+", report["version"])
        async with service.http.get(report["trace_url"]) as page:
            assert page.status == 200
            assert "gamma" in await page.text()
    trace = langfuse[0].memory.trace(report["trace_id"])
    assert trace is not None
    assert trace["totalCost"] == pytest.approx(report["cost_usd"])
    assert trace["metadata"]["project_id"] == "gamma"


async def test_with_only_a_fallback_that_answers_it_fails_and_shows_both_attempts_in_the_trace(
    traced: RunningGateway, langfuse: tuple[Langfuse, str]
) -> None:
    settings = with_langfuse(
        traced.url,
        langfuse[1],
        llm_default_model="status-429",
        llm_fallback_models=("priced",),
    )
    async with serving(settings) as service, service.get("/llm/test") as r:
        body = await r.json()
    assert (r.status, body["code"]) == (502, "upstream_failed")
    assert verdicts(body) == [True, True, True, False, True]
    asked = [attempt for attempt in body["attempts"] if attempt["outcome"] != "skipped"]
    query = {"traceId": body["trace_id"], "type": "GENERATION"}
    for _ in range(50):
        found = langfuse[0].memory.answer(query)["data"]
        if len(found) >= len(asked):
            break
        await asyncio.sleep(0.1)
    assert [each["level"] for each in reversed(found)] == ["ERROR"] * (len(asked) - 1) + ["DEFAULT"]


@pytest.mark.parametrize("is_version_3", [False, True], ids=["version 4", "version 3"])
@pytest.mark.parametrize(
    ("spans", "is_proved", "booked_on"),
    [
        ([generation("demo")], True, "1 generation, booked on demo"),
        ([generation("other")], False, "1 generation, booked on other"),
        ([generation()], False, "1 generation, booked on nobody"),
        ([generation("demo", "other")], False, "1 generation, booked on demo, other"),
        (
            [generation("demo"), generation("demo", kind="span")],
            True,
            "1 generation, booked on demo",
        ),
    ],
    ids=["ours", "another's", "nobody's", "two projects", "with a span"],
)
async def test_the_trace_says_on_whom_a_call_is_booked(
    provider: RunningProvider,
    spans: list[Span],
    is_proved: bool,
    booked_on: str,
    is_version_3: bool,
) -> None:
    kept = Langfuse()
    kept.memory.add(map(observation_of, spans))
    async with listening(langfuse_stand_in.create_app(kept, is_version_3=is_version_3)) as url:
        status, body = await asked_to_prove(with_langfuse(provider.url, url))
    assert body["checks"][-1] == {
        "check": "attributed",
        "ok": is_proved,
        "detail": "this gateway does not say what it books a call on; Langfuse has " + booked_on,
    }
    assert body["trace_url"] == f"{url}/project/local/traces/{TRACE}"
    if is_proved:
        assert (status, body["ok"]) == (200, True)
    else:
        assert (status, body["code"]) == (502, "attribution_unproven")
        assert body["replica"] == socket.gethostname()


async def test_a_trace_that_does_not_arrive_is_waited_for_and_proves_nothing(
    provider: RunningProvider,
) -> None:
    async with listening(langfuse_stand_in.create_app(Langfuse())) as url:
        status, body = await asked_to_prove(with_langfuse(provider.url, url))
    assert (status, body["code"]) == (502, "attribution_unproven")
    assert verdicts(body) == [True, True, True, True, None]
    assert body["checks"][-1]["detail"].endswith("the trace has not arrived in 10 s")


async def test_a_langfuse_that_refuses_our_keys_or_is_not_there_proves_nothing(
    provider: RunningProvider, langfuse: tuple[Langfuse, str]
) -> None:
    wrong = {"langfuse_secret_key": SecretStr("sk-lf-of-another")}
    for settings, reason in (
        (with_langfuse(provider.url, langfuse[1], **wrong), "Langfuse refuses the keys"),
        (with_langfuse(provider.url, "http://127.0.0.1:9"), "Langfuse cannot be reached"),
    ):
        status, body = await asked_to_prove(settings)
        assert (status, body["code"], body["trace_url"]) == (502, "attribution_unproven", None)
        assert body["checks"][-1]["ok"] is None
        assert body["checks"][-1]["detail"].endswith(reason)
        assert "sk-lf" not in json.dumps(body)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (web.Response(text="<html>"), "Langfuse's answer is not what its API documents"),
        (web.json_response({"data": [{"type": 1}]}), "not what its API documents"),
        (web.Response(status=500), "Langfuse answers with 500"),
        (web.Response(status=302, headers={"Location": "/"}), "Langfuse answers with 302"),
        (None, f"Langfuse has not answered in {trace_reader.ANSWER_SECONDS:g} s"),
    ],
    ids=["html", "another schema", "500", "redirect", "silent"],
)
async def test_an_odd_langfuse_neither_hangs_nor_breaks_the_test(
    provider: RunningProvider, said: web.Response | None, reason: str
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if said is None:
            await asyncio.sleep(3600)
            raise AssertionError
        return web.Response(status=said.status, body=said.body, headers=said.headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with listening(app) as url:
        status, body = await asked_to_prove(with_langfuse(provider.url, url))
    assert (status, body["code"]) == (502, "attribution_unproven")
    assert verdicts(body) == [True, True, True, True, None]
    assert body["checks"][-1]["detail"].endswith(reason)
    assert len(asked) <= 2


async def test_a_call_that_failed_is_not_looked_for(
    provider: RunningProvider, langfuse: tuple[Langfuse, str]
) -> None:
    settings = with_langfuse(provider.url, langfuse[1], llm_default_model="status-400")
    status, body = await asked_to_prove(settings)
    assert (status, body["code"]) == (400, "prompt_rejected")
    assert verdicts(body) == [True, True, True, False, None]
    assert body["checks"][-1]["detail"] == "not reached"


async def test_two_of_the_three_variables_are_none(provider: RunningProvider) -> None:
    settings = with_langfuse(provider.url, "http://127.0.0.1:9", langfuse_secret_key=None)
    status, body = await asked_to_prove(settings)
    assert (status, body["ok"], body["trace_url"]) == (200, True, None)
