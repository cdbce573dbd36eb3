"""The keys of agents, as their file has them now: one that is taken out opens nothing any more."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from mcp.shared.exceptions import MCPError

from chassis.identity.api_keys import parse_keys
from marked import marked
from tool_gateway import ADA, EVE, Gateway, agent, running_tool_gateway

TAKEN_WITHIN_SECONDS = 2
NEW = marked("new")
BOTH = "application/json, text/event-stream"


def entry(name: str, key: str) -> dict[str, str]:
    return {
        "name": name,
        "organisation": "acme",
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
    }


@asynccontextmanager
async def asking(gateway: Gateway) -> AsyncIterator[Any]:
    """What tells the status of a request that is made with a key."""
    async with httpx2.AsyncClient() as http:

        async def status(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}", "Accept": BOTH}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            answer = await http.post(f"{gateway.url}/mcp", json=body, headers=headers)
            return int(answer.status_code)

        yield status


def write(gateway: Gateway, *entries: dict[str, str]) -> Path:
    file = gateway.settings.agent_keys_file
    assert file is not None
    file.write_text(yaml.safe_dump({"agents": list(entries)}))
    return file


async def test_a_key_is_rotated_while_the_gateway_runs(tmp_path: Path) -> None:
    async with running_tool_gateway(tmp_path) as gateway, asking(gateway) as status:
        assert (await status(ADA), await status(NEW)) == (200, 401)
        write(gateway, entry("ada", ADA), entry("ada", NEW))
        await asyncio.sleep(TAKEN_WITHIN_SECONDS)
        assert (await status(ADA), await status(NEW)) == (200, 200)
        write(gateway, entry("ada", NEW))
        await asyncio.sleep(TAKEN_WITHIN_SECONDS)
        assert (await status(ADA), await status(NEW)) == (401, 200)


async def test_a_client_that_is_connected_stops_with_its_key(tmp_path: Path) -> None:
    async with running_tool_gateway(tmp_path) as gateway:
        async with agent(gateway) as ada, agent(gateway, EVE) as eve:
            await ada.call_tool("hello_world", {})
            write(gateway, entry("eve", EVE))
            await asyncio.sleep(TAKEN_WITHIN_SECONDS)
            with pytest.raises(MCPError, match="error response"):
                await ada.call_tool("hello_world", {})
            await eve.call_tool("hello_world", {})


BAD = (
    "agents: [{name: ada, organisation: acme, sha256: short}]",
    "agents: [",
    "[" * 5000,
    "agents: []\nagents: []",
    "",
)


async def test_a_bad_file_takes_no_key_away_and_a_good_one_counts(tmp_path: Path) -> None:
    async with running_tool_gateway(tmp_path) as gateway, asking(gateway) as status:
        file = write(gateway, entry("ada", ADA))
        for bad in BAD:
            file.write_text(bad)
            await asyncio.sleep(TAKEN_WITHIN_SECONDS)
            assert await status(ADA) == 200, bad[:80]
        file.unlink()
        await asyncio.sleep(TAKEN_WITHIN_SECONDS)
        assert await status(ADA) == 200
        write(gateway, entry("eve", EVE))
        await asyncio.sleep(TAKEN_WITHIN_SECONDS)
        assert await status(ADA) == 401


def test_a_key_that_stands_where_its_hash_should_be_is_not_said() -> None:
    wrong = yaml.safe_dump({"agents": [entry("ada", ADA) | {"sha256": NEW}]})
    with pytest.raises(ValueError, match=r"agents\.0\.sha256") as error:
        parse_keys(wrong)
    assert NEW not in str(error.value)
