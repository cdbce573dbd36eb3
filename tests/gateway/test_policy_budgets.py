"""USD per month, held by the real gateway for aliases and for projects, over its restarts.

Each answer of `priced` and of `budgeted` costs 0.025 USD.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import yaml

from api.errors import BudgetExhausted
from api.gateway.error_table import error_of_body
from asking import Caller, Said
from conftest import RunningProvider
from policy.ledgers.spend_file import WRITES_EVERY
from policy.rules.budgets import seconds_to_reset
from running import ROOT, running_gateway

OVERLAY = ROOT / "tests" / "policy_overlay.yaml"


def refused(said: Said, message: str) -> None:
    assert (said.error, said.message) == ((429, "budget_exceeded"), message)
    assert abs(said.wait - seconds_to_reset(datetime.now(UTC))) <= 2


async def passed(caller: Caller, model: str, project: str, *, most: int) -> tuple[int, Said]:
    """How many calls in a row pass, each booked before the next, and the first that does not."""
    for count in range(most + 1):
        said = await caller.ask(model, project=project, stream=bool(count % 2))
        if said.status != 200:
            return count, said
        await asyncio.sleep(0.3)
    raise AssertionError(f"more than {most} pass")


async def test_an_alias_has_its_budget(service: Caller) -> None:
    count, said = await passed(service, "budgeted", "demo", most=3)
    assert count == 3
    refused(said, "Budget exceeded: 0.06 USD per month for model budgeted.")
    assert (await service.ask("priced")).status == 200


async def test_a_project_has_its_budget_and_the_service_knows_what_it_means(
    service: Caller,
) -> None:
    count, said = await passed(service, "priced", "thrifty", most=2)
    assert count == 2
    refused(said, "Budget exceeded: 0.03 USD per month for project thrifty.")
    assert (await service.ask("priced", project="another")).status == 200
    error = error_of_body(said.status, said.text.encode(), {"retry-after": str(said.wait)})
    assert isinstance(error, BudgetExhausted)


async def test_what_came_of_an_aborted_stream_is_paid_for(service: Caller) -> None:
    body = {
        "model": "drip-priced",
        "messages": [{"role": "user", "content": "Count."}],
        "metadata": {"project_id": "impatient", "solution": "tests"},
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {service.key}"}
    async with service.http.post(
        f"{service.url}/chat/completions", json=body, headers=headers
    ) as stream:
        async with asyncio.timeout(10):
            while b'"content":"20 "' not in await stream.content.readline():
                pass
    async with asyncio.timeout(5):
        while (said := await service.ask("ok", project="impatient")).status == 200:
            await asyncio.sleep(0.1)
    refused(said, "Budget exceeded: 0.03 USD per month for project impatient.")


async def test_a_restart_forgets_nothing(provider: RunningProvider, tmp_path: Path) -> None:
    file = str(tmp_path / "spend.json")
    async with aiohttp.ClientSession() as http:
        async with running_gateway(provider.url, OVERLAY, SPEND_FILE=file) as gateway:
            caller = Caller(http, gateway.url, gateway.key)
            assert (await passed(caller, "budgeted", "thrifty", most=2))[0] == 2
            await asyncio.sleep(2 * WRITES_EVERY)
        async with running_gateway(provider.url, OVERLAY, SPEND_FILE=file) as gateway:
            caller = Caller(http, gateway.url, gateway.key)
            refused(
                await caller.ask("priced", project="thrifty"),
                "Budget exceeded: 0.03 USD per month for project thrifty.",
            )
            assert (await passed(caller, "budgeted", "another", most=1))[0] == 1


async def test_an_alias_without_a_price_is_refused_at_the_start(
    provider: RunningProvider, tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay.yaml"
    params = {"model": "openai/nobody-knows", "api_key": "sk-x", "api_base": "http://127.0.0.1:9"}
    entry = {"model_name": "dear", "litellm_params": params}
    overlay.write_text(yaml.safe_dump({"model_list": [entry]}))
    with pytest.raises(
        AssertionError, match=r"overlay.yaml:\d+: dear has no price, .*: give input_cost"
    ):
        async with running_gateway(provider.url, overlay):
            pass
