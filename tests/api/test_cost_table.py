"""The command `cost`, on what a gateway may have booked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from asking import Caller
from conftest import RunningProvider
from mixed_calls import cost
from running import listening
from usage_rows import BOOKED, ROW, UNPRICED

NOBODYS = ROW | {"project_id": "", "calls": 2}


@asynccontextmanager
async def a_gateway(*rows: Any) -> AsyncIterator[Caller]:
    async def booked(_: web.Request) -> web.Response:
        return web.json_response(BOOKED | {"rows": rows})

    app = web.Application()
    app.router.add_get("/v1/usage", booked)
    async with listening(app) as url, aiohttp.ClientSession() as http:
        yield Caller(http, f"{url}/v1", "sk-any")


async def test_a_call_on_nobodys_account_is_shown() -> None:
    async with a_gateway(ROW, NOBODYS) as caller:
        _, table, _ = await cost(caller)
    assert any("(unattributed) │     2 │" in line for line in table.splitlines())


async def test_a_name_can_do_nothing_to_a_terminal() -> None:
    async with a_gateway(ROW | {"project_id": "[/x]\x1b[31m"}, ROW | {"project_id": "[red]b"}) as c:
        code, table, _ = await cost(c)
    assert code == 0
    assert "\x1b" not in table
    assert "'[/x]\\x1b[31m'" in table
    assert "[red]b" in table


async def test_an_unknown_price_is_unknown_in_the_table_and_not_0() -> None:
    async with a_gateway(UNPRICED) as caller:
        _, table, _ = await cost(caller)
    assert table.count("unknown") == 2


async def test_a_gateway_that_does_not_book_is_one_line(provider: RunningProvider) -> None:
    async with aiohttp.ClientSession() as http:
        said = await cost(Caller(http, provider.url, "sk-any"))
    assert said == (1, "", "This gateway does not say what was used.\n")


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9"])
async def test_a_senseless_environment_is_said_with_exit_code_2(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        code, out, err = await cost(Caller(http, url, "sk-any"))
    assert (code, out) == (2, "")
    assert "LLM_GATEWAY_URL" in err
