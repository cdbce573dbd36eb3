"""What `/metrics` says after calls is what happened: each call once, a stream at its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from fastapi import APIRouter

from api.telemetry.call_metrics import MOST_PROJECTS
from conftest import RunningProvider
from guarded import guarded
from local.openai_wire import answer
from metering import Scraper
from running import Service, answering_completions, serving_alone, settings_for

DEMO = {"project_id": "demo"}


@asynccontextmanager
async def measured(url: str, **changes: Any) -> AsyncIterator[tuple[Service, Scraper]]:
    async with serving_alone(settings_for(url, **changes)) as service:
        yield service, Scraper(service.http, service.url)


async def test_a_whole_answer_is_counted_with_its_tokens_and_its_time(
    provider: RunningProvider, lane: str
) -> None:
    async with measured(provider.url, llm_client=lane) as (service, scraper):
        async with service.post("/llm/complete", prompt="Hello") as r:
            assert r.status == 200
            usage = (await r.json())["usage"]
        asked = DEMO | {"model": "ok", "outcome": "complete", "stream": "false"}
        assert await scraper.samples("llm_requests_total", **asked) == {(): 1}
        how = {"model": "ok", "outcome": "complete", "stream": "false"}
        count = await scraper.samples("llm_request_duration_seconds_count", **how)
        assert count == {(): 1}
        tokens = await scraper.samples("llm_tokens_total", model="ok", **DEMO)
        assert tokens == {("input",): usage["input_tokens"], ("output",): usage["output_tokens"]}
        assert await scraper.samples("llm_time_to_first_token_seconds_count") == {}
        assert await scraper.samples("llm_attempts_total") == {("ok", "ok"): 1}


async def test_a_call_without_a_price_is_unpriced_and_costs_no_made_up_0(
    provider: RunningProvider,
) -> None:
    async with measured(provider.url) as (service, scraper):
        async with service.post("/llm/complete", prompt="Hello") as r:
            assert (await r.json())["cost_usd"] is None
        assert await scraper.samples("llm_unpriced_answers_total", model="ok", **DEMO) == {(): 1}
        assert await scraper.samples("llm_cost_usd_total") == {}


async def test_what_the_gateway_says_a_call_cost_is_booked_on_its_project() -> None:
    async def priced(_: web.Request) -> web.Response:
        body, headers = answer("ok", "Paris.", "stop", 7), {"x-litellm-response-cost": "0.25"}
        return web.Response(body=body, headers=headers, content_type="application/json")

    async with (
        answering_completions(priced) as url,
        measured(url) as (service, scraper),
    ):
        for project in ("demo", "demo", "another"):
            async with service.post("/llm/complete", project, prompt="Hello") as r:
                assert (await r.json())["cost_usd"] == 0.25
        costs = await samples_by(scraper, "llm_cost_usd_total", "project_id", "model")
        assert costs == {("demo", "ok"): 0.5, ("another", "ok"): 0.25}
        assert await scraper.samples("llm_unpriced_answers_total") == {}


async def test_a_defect_of_ours_is_counted(provider: RunningProvider) -> None:
    router = APIRouter()

    @router.get("/llm/defect")
    async def defect() -> None:
        raise ZeroDivisionError

    async with serving_alone(settings_for(provider.url), router) as service:
        async with service.get("/llm/defect") as r:
            assert r.status == 500
        assert await refused(Scraper(service.http, service.url)) == {"internal_error": 1}


async def test_a_stream_is_counted_at_its_end_and_open_until_then(
    provider: RunningProvider,
) -> None:
    async with measured(provider.url, llm_default_model="drip-20") as (service, scraper):
        async with service.post("/llm/stream", prompt="Hello") as r:
            await r.content.readline()
            assert await scraper.samples("llm_requests_total") == {}
            assert await scraper.samples("llm_open_streams") == {(): 1}
            assert await scraper.samples("llm_in_flight") == {(): 1}
            assert (await read_stream_after_its_first_line(r)).endswith("done")
        done = DEMO | {"model": "drip-20", "outcome": "complete", "stream": "true"}
        assert await scraper.samples("llm_requests_total", **done) == {(): 1}
        assert await scraper.samples("llm_open_streams") == {(): 0}
        first = await scraper.samples("llm_time_to_first_token_seconds_sum", model="drip-20")
        whole = await scraper.samples("llm_request_duration_seconds_sum", model="drip-20")
        assert 0 < first[()] < whole[("complete", "true")]


async def read_stream_after_its_first_line(response: aiohttp.ClientResponse) -> str:
    """The name of its last event."""
    lines = [line.decode().strip() async for line in response.content]
    return [line for line in lines if line.startswith("event: ")][-1]


async def test_a_stream_whose_client_left_is_cancelled_with_the_pieces_that_came(
    provider: RunningProvider,
) -> None:
    async with measured(provider.url, llm_default_model="drip-100") as (service, scraper):
        async with service.post("/llm/stream", prompt="Hello") as r:
            async for line in r.content:
                if b"event: delta" in line:
                    break
            r.close()
        left = DEMO | {"model": "drip-100", "outcome": "cancelled", "stream": "true"}
        await scraper.until({(): 1}, "llm_requests_total", **left)
        (pieces,) = (await scraper.samples("llm_estimated_tokens_total", **DEMO)).values()
        assert 1 <= pieces < 100
        assert await scraper.samples("llm_tokens_total") == {}
        assert await scraper.samples("llm_unpriced_answers_total", **DEMO) == {("drip-100",): 1}


async def test_retries_and_a_fallback_are_counted_and_its_tokens_are_the_fallbacks(
    provider: RunningProvider,
) -> None:
    changes: dict[str, Any] = {"llm_default_model": "status-500", "llm_fallback_models": ("ok",)}
    async with measured(provider.url, **changes) as (service, scraper):
        async with service.post("/llm/complete", prompt="Hello") as r:
            assert r.status == 200
        attempts = {("status-500", "upstream_failed"): 2, ("ok", "ok"): 1}
        assert await samples_by(scraper, "llm_attempts_total", "model", "outcome") == attempts
        retries = await samples_by(scraper, "llm_retries_total", "model", "after")
        assert retries == {("status-500", "upstream_failed"): 1}
        fallbacks = await samples_by(scraper, "llm_fallbacks_total", "requested", "answered")
        assert fallbacks == {("status-500", "ok"): 1}
        asked = await samples_by(scraper, "llm_requests_total", "model", "outcome")
        assert asked == {("status-500", "complete"): 1}
        assert {
            model
            for model, _ in await samples_by(scraper, "llm_tokens_total", "model", "direction")
        } == {"ok"}


async def samples_by(scraper: Scraper, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values under that name, by these labels in this order."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in await scraper.all_samples(name)
    }


async def refused(scraper: Scraper) -> dict[str, float]:
    """How many were refused, by their codes."""
    codes = await samples_by(scraper, "llm_refused_requests_total", "code")
    return {code: count for (code,), count in codes.items() if count}


async def test_a_failed_call_is_counted_by_its_code_and_not_among_the_refused(
    provider: RunningProvider,
) -> None:
    async with measured(provider.url, llm_default_model="status-400") as (service, scraper):
        for path in ("/llm/complete", "/llm/stream"):
            async with service.post(path, prompt="Hello") as r:
                assert r.status == 400
        asked = await samples_by(scraper, "llm_requests_total", "outcome", "stream")
        assert asked == {("prompt_rejected", "false"): 1, ("prompt_rejected", "true"): 1}
        assert await refused(scraper) == {}


async def test_a_model_nobody_serves_is_unlisted_and_a_project_without_an_answer_is_other(
    provider: RunningProvider,
) -> None:
    async with measured(provider.url) as (service, scraper):
        async with service.post("/llm/complete", "stranger", prompt="x", model="status-404") as r:
            assert r.status in (400, 502)
        (labels,) = await samples_by(scraper, "llm_requests_total", "project_id", "model")
        assert labels == ("other", "unlisted")
        assert "stranger" not in await scraper.scrape()
        assert "status-404" not in await scraper.scrape()


async def test_after_a_hundred_projects_the_next_are_other(provider: RunningProvider) -> None:
    async with measured(provider.url) as (service, scraper):

        async def ask(number: int) -> None:
            async with service.post("/llm/complete", f"project-{number}", prompt="Hello") as r:
                assert r.status == 200

        for start in range(0, MOST_PROJECTS + 5, 15):
            await asyncio.gather(*(ask(start + n) for n in range(15)))
        counted = await samples_by(scraper, "llm_requests_total", "project_id")
        assert len(counted) == MOST_PROJECTS + 1
        assert counted[("other",)] == 5
        assert sum(counted.values()) == MOST_PROJECTS + 5


async def test_what_is_refused_before_a_call_is_counted_by_its_code(
    provider: RunningProvider,
) -> None:
    changes = {"max_body_bytes": 1024, "llm_max_in_flight": 1}
    async with measured(provider.url, **changes) as (service, scraper):
        async with service.post("/llm/complete", prompt="Hello", model=7) as r:
            assert r.status == 422
        async with service.post("/llm/complete", prompt="x" * 3000) as r:
            assert r.status == 413
        async with service.http.get(service.url + "/nowhere") as r:
            assert r.status == 404
        async with service.post("/llm/stream", prompt="Hello", model="drip-100") as r:
            assert r.status == 200
            async with service.post("/llm/complete", prompt="one too many") as one_more:
                assert one_more.status == 503
        service.admission.draining = True
        async with service.post("/llm/complete", prompt="too late") as r:
            assert r.status == 503
        codes = ("invalid_request", "request_too_large", "not_found", "overloaded", "draining")
        assert await refused(scraper) == dict.fromkeys(codes, 1)
        assert await scraper.samples("llm_draining") == {(): 1}
        assert await scraper.samples("llm_in_flight_limit") == {(): 1}


async def test_who_may_not_call_is_counted_and_so_is_what_openfga_decided() -> None:
    async with guarded() as scene:
        scraper = Scraper(scene.service.http, scene.service.url)
        assert await scraper.samples("llm_realm_keys_age_seconds") == {(): float("inf")}
        async with scene.ask(authorization=None) as r:
            assert r.status == 401
        for _ in range(2):
            async with scene.ask(project="of-others") as r:
                assert r.status == 403
            async with scene.ask() as r:
                assert r.status == 200
        assert await refused(scraper) == {"permission_denied": 2, "unauthenticated": 1}
        assert await scraper.samples("llm_openfga_decisions_total") == {
            ("allowed",): 1,
            ("denied",): 1,
        }
        scene.openfga.status = 500
        async with scene.ask(project="another") as r:
            assert r.status == 503
        decisions = await scraper.samples("llm_openfga_decisions_total", decision="unavailable")
        assert decisions == {(): 1}
        (age,) = (await scraper.samples("llm_realm_keys_age_seconds")).values()
        assert 0 <= age < 60


async def test_an_open_breaker_is_seen_and_an_outage_of_the_gateway_too(
    provider: RunningProvider,
) -> None:
    async with measured(provider.url, llm_default_model="status-500") as (service, scraper):
        assert await scraper.samples("llm_breaker_open", model="status-500") == {(): 0}
        for _ in range(3):
            async with service.post("/llm/complete", prompt="Hello") as r:
                assert r.status == 502
        assert await scraper.samples("llm_breaker_open", model="status-500") == {(): 1}
        assert await scraper.samples("llm_gateway_breaker_open") == {(): 0}
    async with measured("http://127.0.0.1:9/v1") as (service, scraper):
        for _ in range(3):
            async with service.post("/llm/complete", prompt="Hello") as r:
                assert r.status == 503
        assert await scraper.samples("llm_gateway_breaker_open") == {(): 1}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_a_scrape_is_in_the_format_that_was_asked_for(
    provider: RunningProvider, accept: str, kind: str
) -> None:
    async with measured(provider.url) as (service, _):
        headers = {"Accept": accept}
        async with service.http.get(service.url + "/metrics", headers=headers) as r:
            assert r.status == 200
            assert r.content_type == kind
            text = await r.text()
        assert text.endswith("# EOF\n") is (kind != "text/plain")
        assert "_created" not in text
        assert "process_resident_memory_bytes" in text
        assert 'llm_build_info{lane="wire"' in text


async def test_two_applications_of_a_process_share_no_metric(provider: RunningProvider) -> None:
    async with measured(provider.url) as (one, of_one), measured(provider.url) as (_, of_other):
        async with one.post("/llm/complete", prompt="Hello") as r:
            assert r.status == 200
        assert len(await of_one.samples("llm_requests_total")) == 1
        assert await of_other.samples("llm_requests_total") == {}


async def test_no_metric_says_what_was_asked_or_by_whom() -> None:
    async with guarded() as scene:
        async with scene.ask(json={"prompt": "secret of mine", "session_id": "s-1"}) as r:
            assert r.status == 200
        text = await Scraper(scene.service.http, scene.service.url).scrape()
    assert "secret of mine" not in text
    assert "s-1" not in text
    assert "7c0ad7f2" not in text
