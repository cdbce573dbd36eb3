"""What the real gateway has booked, read by whoever may: to the digit, and on the right project.

An answer of `priced` has 11 and 7 tokens and costs 0.025 USD; one of `ok` has no price.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis as Client

from asking import PROJECT_KEYS, Caller
from conftest import RunningProvider
from policy.ledgers.usage_redis import key_of
from redis_server import NO_REDIS, running_redis
from running import ROOT, running_gateway

OVERLAY = ROOT / "tests" / "policy_overlay.yaml"


async def booked(caller: Caller, **query: str) -> dict[str, Any]:
    said = await caller.usage(**query)
    assert said.status == 200, said.text
    found: dict[str, Any] = said.json
    return found


async def rows(caller: Caller, project: str, calls: int) -> dict[str, dict[str, Any]]:
    """The project's rows of this month by model, once so many calls are in them."""
    for _ in range(60):
        found = (await booked(caller, project_id=project))["rows"]
        if sum(row["calls"] for row in found) >= calls:
            return {row["model"]: row for row in found}
        await asyncio.sleep(0.1)
    raise AssertionError(f"no {calls} calls of {project}: {found}")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_booked_on_its_project_its_solution_and_its_day(
    service: Caller, stream: bool
) -> None:
    project = f"booked-{stream}"
    before = datetime.now(UTC)
    assert (await service.ask("priced", project=project, stream=stream)).status == 200
    row = (await rows(service, project, 1))["priced"]
    assert row.pop("day") in {f"{before:%Y-%m-%d}", f"{datetime.now(UTC):%Y-%m-%d}"}
    assert row == {
        "project_id": project,
        "solution": "tests",
        "model": "priced",
        "calls": 1,
        "answered": 1,
        **dict.fromkeys(("failed", "aborted", "unpriced", "estimated"), 0),
        "input_tokens": 11,
        "output_tokens": 7,
        "usd": "0.025",
        "estimated_usd": "0",
    }


async def test_what_has_no_price_and_what_failed_is_counted_and_costs_nothing(
    service: Caller,
) -> None:
    for model in ("ok", "ok", "status-500", "context"):
        await service.ask(model, project="unpriced")
    found = await rows(service, "unpriced", 4)
    assert (found["ok"]["calls"], found["ok"]["unpriced"], found["ok"]["usd"]) == (2, 2, "0")
    for model in ("status-500", "context"):
        row = found[model]
        assert (row["failed"], row["unpriced"], row["input_tokens"]) == (1, 0, 0)


async def test_of_a_stream_that_broke_off_the_tokens_until_then_are_booked_as_estimated(
    service: Caller,
) -> None:
    async with service.opened("drip-priced", project="broke-off") as stream:
        while b'"content":"3 "' not in await stream.content.readline():
            pass
    row = (await rows(service, "broke-off", 1))["drip-priced"]
    assert (row["aborted"], row["answered"], row["estimated"]) == (1, 0, 1)
    assert row["output_tokens"] >= 3
    assert row["usd"] == row["estimated_usd"] != "0"


async def test_a_refused_call_is_not_booked_and_no_call_is_on_nobody(service: Caller) -> None:
    for project in (None, "refused"):
        await service.ask("nosuch", project=project)
    await service.ask("ok", project=None)
    await service.ask("ok", project="after-refused")
    await rows(service, "after-refused", 1)
    projects = {row["project_id"] for row in (await booked(service))["rows"]}
    assert not projects & {"", "refused", "(other)"}


async def test_a_projects_key_sees_its_project_and_no_other(
    service: Caller, with_key: Callable[[str], Caller]
) -> None:
    demo = with_key(PROJECT_KEYS["demo"])
    await service.ask(project="demo")
    await service.ask(project="narrow")
    await rows(service, "demo", 1)
    await rows(service, "narrow", 1)
    assert {row["project_id"] for row in (await booked(demo))["rows"]} == {"demo"}
    assert (await booked(demo, project_id="demo"))["rows"]
    said = await demo.usage(project_id="narrow")
    assert said.error == (403, "project_mismatch")


async def test_by_month_the_days_of_an_account_are_one_row(service: Caller) -> None:
    await service.ask("priced", project="by-month")
    by_day = (await rows(service, "by-month", 1))["priced"]
    (by_month,) = (await booked(service, project_id="by-month", by="month"))["rows"]
    assert by_month == by_day | {"day": None}
    assert (await service.usage(by="week")).error == (400, "invalid_request_error")


async def test_without_a_good_key_nothing_is_said(with_key: Callable[[str], Caller]) -> None:
    for key in ("sk-nobody", ""):
        assert (await with_key(key).usage()).error == (401, "auth_error")


@pytest.mark.parametrize("month", ["", "2026-13", "2026-1", "2026-11-01", "all"])
async def test_what_is_no_month_is_refused(service: Caller, month: str) -> None:
    assert (await service.usage(month=month)).error == (400, "invalid_request_error")


async def test_another_month_is_empty_and_since_says_why(service: Caller) -> None:
    said = await booked(service, month="2026-01")
    assert (said["month"], said["rows"], said["scope"]) == ("2026-01", [], "replica")
    assert datetime.fromisoformat(said["since"]) > datetime(2026, 2, 1, tzinfo=UTC)


@asynccontextmanager
async def caller_of(provider: RunningProvider, **variables: Any) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as http:
        async with running_gateway(provider.url, OVERLAY, **variables) as gateway:
            yield Caller(http, gateway.url, gateway.key)


async def test_a_restart_forgets_no_call_and_since_stays(
    provider: RunningProvider, tmp_path: Path
) -> None:
    file = str(tmp_path / "spend.json")
    async with caller_of(provider, SPEND_FILE=file) as caller:
        await caller.ask("priced", project="restarted")
        await rows(caller, "restarted", 1)
        since = (await booked(caller))["since"]
    assert (tmp_path / "spend.usage.sqlite").exists()
    async with caller_of(provider, SPEND_FILE=file) as caller:
        await caller.ask("priced", project="restarted")
        assert (await rows(caller, "restarted", 2))["priced"]["usd"] == "0.05"
        assert (await booked(caller))["since"] == since


@NO_REDIS
async def test_with_a_redis_every_replica_says_what_all_have_booked(
    provider: RunningProvider, tmp_path: Path
) -> None:
    async with running_redis(tmp_path) as redis:
        async with (
            caller_of(provider, REDIS_URL=redis.url) as one,
            caller_of(provider, REDIS_URL=redis.url) as other,
        ):
            for caller in (one, other, one):
                await caller.ask("priced", project="shared")
            for caller in (one, other):
                assert (await rows(caller, "shared", 3))["priced"]["usd"] == "0.075"
            said = await booked(other)
            assert (said["scope"], said["since"]) == ("replicas", (await booked(one))["since"])
            async with Client.from_url(redis.url) as client:
                assert await client.ttl(key_of(said["rows"][0]["day"])) > 60 * 86400
            await redis.pause()
            assert (await one.usage()).error == (503, "usage_unavailable")
            redis.go_on()
