"""`GET /llm/usage`: the gateway's figure of a project, and nothing made up where it has none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from conftest import RunningProvider
from running import MASTER_KEY, RunningGateway, Service, listening, serving, settings_for
from usage_rows import BOOKED, ROW, UNPRICED

THIS_MONTH = f"{datetime.now(UTC):%Y-%m}"


async def usage(service: Service, project: str, **query: str) -> Any:
    async with service.get("/llm/usage", project, **query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def until_booked(service: Service, project: str, calls: int) -> Any:
    """LiteLLM books after the answer is out."""
    for _ in range(60):
        found = await usage(service, project)
        if found["total"]["calls"] >= calls:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(found)


@asynccontextmanager
async def saying(*answers: Any, status: int = 200) -> AsyncIterator[Service]:
    """A service whose gateway has these rows, or says this."""

    async def booked(request: web.Request) -> web.Response:
        assert request.query["project_id"] == "demo"
        assert request.headers["Authorization"] == f"Bearer {MASTER_KEY}"
        said = answers[0] if status != 200 else BOOKED | {"rows": answers}
        return web.json_response(said, status=status)

    app = web.Application()
    app.router.add_get("/v1/usage", booked)
    async with listening(app) as url, serving(settings_for(f"{url}/v1")) as service:
        yield service


async def test_a_projects_calls_are_summed_by_model_and_by_day(gateway: RunningGateway) -> None:
    settings = settings_for(gateway.url, llm_fallback_models=("openai/priced",))
    async with serving(settings) as service:
        for model in ("priced", "priced", "ok", "status-500"):
            async with service.post("/llm/complete", "summed", prompt="hi", model=model) as r:
                assert r.status == 200
        found = await until_booked(service, "summed", 6)
        assert (await usage(service, "another"))["total"]["calls"] == 0
    assert (found["project_id"], found["month"], found["currency"]) == (
        *("summed", THIS_MONTH),
        "USD",
    )
    assert found["scope"] == "replica"
    assert datetime.fromisoformat(found["since"]).tzinfo
    models = {each["model"]: each for each in found["by_model"]}
    assert {name: (each["calls"], each["cost_usd"]) for name, each in models.items()} == {
        "ok": (1, None),
        "priced": (3, 0.075),
        "status-500": (2, 0),
    }
    total = found["total"]
    assert (total["calls"], total["answered"], total["failed"]) == (6, 4, 2)
    assert (total["input_tokens"], total["output_tokens"]) == (44, 28)
    assert (total["cost_usd"], total["unpriced_calls"]) == (0.075, 1)
    assert sum(day["calls"] for day in found["by_day"]) == 6
    assert "Of 1 calls no price is known; the cost is that of the others." in found["notes"]


async def test_a_sum_of_costs_is_exact_until_it_is_shown() -> None:
    rows = [ROW | {"day": f"2026-11-{day:02}"} for day in range(1, 4)]
    async with saying(*rows) as service:
        found = await usage(service, "demo", month="2026-11")
    assert found["total"]["cost_usd"] == 0.3 != 0.1 + 0.1 + 0.1
    assert [day["day"] for day in found["by_day"]] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert found["notes"] == []


async def test_where_nothing_has_a_price_the_cost_is_unknown_and_not_0() -> None:
    async with saying(UNPRICED) as service:
        assert (await usage(service, "demo", month="2026-11"))["total"]["cost_usd"] is None
    async with saying(UNPRICED, ROW) as service:
        found = await usage(service, "demo", month="2026-11")
    assert (found["total"]["cost_usd"], found["total"]["unpriced_calls"]) == (0.1, 1)


async def test_what_broke_off_is_marked_as_estimated() -> None:
    row = ROW | {"answered": 0, "aborted": 1, "estimated": 1, "estimated_usd": "0.1"}
    async with saying(row, ROW) as service:
        found = await usage(service, "demo", month="2026-11")
    total = found["total"]
    assert (total["estimated_calls"], total["estimated_cost_usd"], total["cost_usd"]) == (
        *(1, 0.1),
        0.2,
    )
    assert found["notes"] == ["1 calls broke off; their tokens are the gateway's own count."]


async def test_a_month_that_was_over_before_the_gateway_booked_has_no_total() -> None:
    async with saying() as service:
        found = await usage(service, "demo", month="2026-09")
    assert (found["total"], found["by_model"], found["by_day"]) == (None, [], [])


async def test_a_gateway_that_does_not_book_is_an_unknown_with_its_reason(
    provider: RunningProvider,
) -> None:
    async with serving(settings_for(provider.url)) as service:
        found = await usage(service, "demo")
    assert (found["total"], found["since"], found["scope"]) == (None, None, None)
    assert found["notes"] == ["This gateway does not say what was used."]


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (503, {"error": {"message": "", "type": "usage_unavailable"}}, "gateway_unavailable"),
        (401, {"error": {"message": "", "type": "auth_error"}}, "gateway_key_rejected"),
        (403, {"error": {"message": "", "type": "project_mismatch"}}, "gateway_key_rejected"),
        (500, {"error": {"message": "", "type": "policy"}}, "upstream_failed"),
    ],
)
async def test_a_gateway_that_cannot_tell_is_a_problem(
    status: int, answer: Any, expected: str
) -> None:
    async with saying(answer, status=status) as service:
        async with service.get("/llm/usage") as response:
            problem = await response.json()
    expected_status = 503 if expected == "gateway_unavailable" else 502
    assert (response.status, problem["code"]) == (expected_status, expected)


@pytest.mark.parametrize("answer", [{"project_id": "demo"}, ROW | {"usd": "much"}])
async def test_an_answer_that_nobody_understands_is_a_problem(answer: Any) -> None:
    async with saying(answer) as service, service.get("/llm/usage") as response:
        assert (response.status, (await response.json())["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "2026-11-01"])
async def test_what_is_no_month_is_refused(provider: RunningProvider, month: str) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with service.get("/llm/usage", month=month) as response:
            assert (response.status, (await response.json())["code"]) == (422, "invalid_request")
