"""The metrics of the real gateway: what is promised is there after calls, with what happened."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from asking import PROJECT_KEYS, Caller
from metering import Scraper
from running import RunningGateway

REQUESTS = "litellm_requests_total"
TOKENS = "litellm_tokens_total"
COUNT = "litellm_request_duration_seconds_count"
SECONDS = "litellm_request_duration_seconds_sum"
SPEND = "litellm_spend_usd"
NO_LOG: Any = {"no-log": True}


@pytest.fixture
async def scraper(policed: RunningGateway) -> AsyncIterator[Scraper]:
    """Somebody without a key."""
    async with aiohttp.ClientSession() as http:
        yield Scraper(http, policed.url)


def booked_on(solution: str, project: str = "demo") -> dict[str, str]:
    return {"project_id": project, "solution": solution}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_counted_with_its_tokens_its_time_and_its_price(
    service: Caller, scraper: Scraper, stream: bool
) -> None:
    account = booked_on(f"priced-{stream}")
    assert (await service.ask("priced", metadata=account, stream=stream)).status == 200
    labels = account | {"model": "priced", "status": "200"}
    await scraper.until({(): 1}, REQUESTS, **labels)
    assert await scraper.samples(TOKENS, **labels) == {("input",): 11, ("output",): 7}
    assert await scraper.samples(COUNT, **labels) == {(): 1}
    assert await scraper.samples(SPEND, **labels) == {(): pytest.approx(11 * 0.001 + 7 * 0.002)}


@pytest.mark.parametrize(
    ("model", "stream", "status"),
    [
        ("status-500", False, "500"),
        ("status-503", True, "503"),
        ("status-429", False, "429"),
        ("status-401", False, "401"),
        ("context", False, "400"),
        ("hang", False, "408"),
        ("cut", True, "500"),
        ("cutclean", True, "502"),
        ("cut-clean", False, "502"),
        ("refused", False, "500"),
    ],
)
async def test_a_failed_attempt_is_counted_once_with_its_status(
    service: Caller, scraper: Scraper, model: str, stream: bool, status: str
) -> None:
    account = booked_on(f"failed-{model}")
    await service.ask(model, metadata=account, stream=stream)
    await scraper.until({(model, status): 1}, REQUESTS, **account)
    await asyncio.sleep(0.5)
    assert await scraper.samples(REQUESTS, **account) == {(model, status): 1}
    assert await scraper.samples(COUNT, **account) == {(model, status): 1}


async def test_the_time_of_a_stream_is_that_until_its_end(
    service: Caller, scraper: Scraper
) -> None:
    account = booked_on("timed")
    await service.ask("drip-20", metadata=account, stream=True)
    await scraper.until({("drip-20", "200"): 1}, COUNT, **account)
    (seconds,) = (await scraper.samples(SECONDS, **account)).values()
    assert 1 < seconds < 10


async def test_a_client_that_leaves_is_a_499(policed: RunningGateway, scraper: Scraper) -> None:
    account = booked_on("left")
    messages = [{"role": "user", "content": "Where?"}]
    body = {"model": "drip", "messages": messages, "metadata": account, "stream": True}
    headers = {"Authorization": f"Bearer {policed.key}"}
    url = f"{policed.url}/chat/completions"
    async with scraper.http.post(url, json=body, headers=headers) as response:
        await response.content.readline()
        response.close()
    await scraper.until({("drip", "499"): 1}, REQUESTS, **account)


@pytest.mark.parametrize(
    ("model", "project", "labels"),
    [("nosuch", "demo", ("unlisted", "400")), ("priced", "narrow", ("priced", "400"))],
)
async def test_a_refused_call_is_counted_and_takes_no_time(
    service: Caller,
    scraper: Scraper,
    model: str,
    project: str,
    labels: tuple[str, str],
) -> None:
    account = booked_on(f"refused-{model}", project)
    assert (await service.ask(metadata=account)).status == 200
    await scraper.until({(): 1}, COUNT, model="ok", status="200", **account)
    before = await scraper.samples(REQUESTS, **account)
    times = await scraper.samples(COUNT, **account)
    await service.ask(model, metadata=account)
    await scraper.until(before | {labels: before.get(labels, 0) + 1}, REQUESTS, **account)
    assert await scraper.samples(COUNT, **account) == times


async def test_a_wrong_key_counts_on_nobody(
    with_key: Callable[[str], Caller], scraper: Scraper
) -> None:
    nobody = booked_on("", "") | {"status": "401"}
    before = (await scraper.samples(REQUESTS, **nobody)).get(("ok",), 0)
    await with_key("sk-wrong").ask(metadata=booked_on("of a stranger"))
    await scraper.until({("ok",): before + 1}, REQUESTS, **nobody)


async def test_a_projects_key_counts_on_its_project(
    with_key: Callable[[str], Caller], scraper: Scraper
) -> None:
    demo = with_key(PROJECT_KEYS["demo"])
    await demo.ask(metadata={"solution": "by-its-key"})
    await scraper.until({("ok", "demo", "200"): 1}, REQUESTS, solution="by-its-key")


async def test_nobody_hides_from_the_metrics(service: Caller, scraper: Scraper) -> None:
    account = booked_on("hidden")
    await service.ask(metadata=account, **NO_LOG)
    await scraper.until({("ok", "200"): 1}, REQUESTS, **account)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
async def test_a_scrape_needs_no_key_and_has_litellms_own(scraper: Scraper, path: str) -> None:
    said = await scraper.scrape(path)
    assert f"# TYPE {REQUESTS} counter" in said
    assert "litellm_proxy_total_requests_metric_total{" in said


async def test_how_much_of_a_budget_is_used_is_known_before_it_is_used_up(
    service: Caller, scraper: Scraper
) -> None:
    project = {"budget": "project metered"}
    for spent in (0, 11 * 0.001 + 7 * 0.002):
        assert (await service.ask("priced", project="metered")).status == 200
        found = await scraper.samples("litellm_budget_spent_usd", **project)
        assert found == {(): pytest.approx(spent)}
        await scraper.until(
            {(): 1 + bool(spent)},
            COUNT,
            project_id="metered",
            model="priced",
            status="200",
            solution="tests",
        )
        await asyncio.sleep(0.3)
    assert await scraper.samples("litellm_budget_usd", **project) == {(): 50}


async def test_no_label_is_what_a_caller_writes(service: Caller, scraper: Scraper) -> None:
    await service.ask("model-of-my-own")
    await service.ask("ok", user="user-of-my-own")
    await asyncio.sleep(1)
    said = await scraper.scrape()
    assert "of-my-own" not in said
    assert "aiohttp" not in json.dumps(said)
