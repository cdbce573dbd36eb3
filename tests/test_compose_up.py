"""What `docker compose up` starts, started here as plain processes: it answers without a key."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import yaml
from sqlalchemy import select

from chassis.identity.api_keys import parse_keys
from compose_processes import Machine
from composing import SERVICES
from marked import marked
from running import ROOT
from runtime_mcp.audit.database import engine_of
from runtime_mcp.audit.tables import events

PROVIDER_KEY = marked("provider-of-compose")
QUESTION = {"prompt": "What is the capital of France?", "max_tokens": 24}


@pytest.fixture(scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("compose"))
    async with machine.everything(AZURE_API_KEY=PROVIDER_KEY):
        yield machine


@pytest.mark.timeout(180)
async def test_a_call_is_answered_by_the_local_llm_and_without_a_key(machine: Machine) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{machine.url('api')}/llm/complete"
        async with http.post(url, json=QUESTION, headers={"X-Project-ID": "demo"}) as response:
            assert response.status == 200, await response.text()
            body = await response.json()
    assert "Paris" in body["text"]
    assert body["project_id"] == "demo"


async def call_of_a_tool(machine: Machine, **headers: str) -> tuple[int, str]:
    call = {"name": "llm_complete", "arguments": QUESTION}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    given = {"X-Project-ID": "demo", "Accept": "application/json, text/event-stream"} | headers
    async with aiohttp.ClientSession() as http:
        url = f"{machine.url('runtime-mcp')}/mcp"
        async with http.post(url, json=body, headers=given) as response:
            return response.status, await response.text()


@pytest.mark.timeout(180)
async def test_an_agent_calls_a_tool_with_the_key_that_was_made_and_the_call_is_recorded(
    machine: Machine,
) -> None:
    key = (machine.volume("for-runtime-mcp") / "keys" / "AGENT_KEY").read_text()
    status, said = await call_of_a_tool(machine, Authorization=f"Bearer {key}")
    assert status == 200, said
    assert "Paris" in said
    engine = engine_of(f"sqlite:///{machine.volume('runtime-mcp-record')}/audit.db")
    async with engine.connect() as connection:
        of_tool = select(events.c.phase).where(events.c.resource_id == "llm_complete")
        recorded = list(await connection.scalars(of_tool.order_by("sequence")))
    await engine.dispose()
    assert recorded == ["intent", "outcome"]


async def test_without_a_key_nobody_calls_a_tool_and_no_process_knows_the_key(
    machine: Machine,
) -> None:
    assert (await call_of_a_tool(machine))[0] == 401
    key = (machine.volume("for-runtime-mcp") / "keys" / "AGENT_KEY").read_text()
    assert commands_that_know(key) == set()
    await machine.once("variables")
    assert (machine.volume("for-runtime-mcp") / "keys" / "AGENT_KEY").read_text() == key
    keys = parse_keys((machine.volume("for-runtime-mcp") / "keys" / "agents.yaml").read_text())
    assert [each.name for each in keys.agents] == ["local"]


async def test_a_fault_model_fails_as_its_name_says(machine: Machine) -> None:
    async with aiohttp.ClientSession() as http:
        body = {"prompt": "Hello", "model": "fail-400"}
        url = f"{machine.url('api')}/llm/complete"
        async with http.post(url, json=body, headers={"X-Project-ID": "demo"}) as response:
            assert response.status == 400
            assert (await response.json())["code"] == "prompt_rejected"


async def test_prometheus_gets_the_metrics_of_each_of_its_targets(machine: Machine) -> None:
    config = yaml.safe_load((ROOT / "observability/prometheus.yml").read_text())
    targets = [job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]]
    async with aiohttp.ClientSession() as http:
        for target in targets:
            name = target.partition(":")[0]
            async with http.get(f"{machine.url(name)}/metrics") as response:
                assert response.status == 200
                assert "python_info" in await response.text()


async def test_the_key_of_the_gateway_is_made_here_and_stays(machine: Machine) -> None:
    key = (machine.volume("for-gateway") / "LITELLM_MASTER_KEY").read_text()
    assert re.fullmatch(r"sk-local-[0-9a-f]{64}", key)
    assert (machine.volume("for-api") / "LLM_GATEWAY_API_KEY").read_text() == key
    (machine.volume("for-gateway") / "REDIS_URL").write_text("of a profile that is off by now")
    await machine.once("variables")
    assert (machine.volume("for-gateway") / "LITELLM_MASTER_KEY").read_text() == key
    assert not (machine.volume("for-gateway") / "REDIS_URL").exists()


def commands_that_know(secret: str) -> set[str]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if secret in (process / "environ").read_text():
                found.add((process / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.mark.usefixtures("machine")
async def test_a_key_of_a_provider_is_in_the_environment_of_the_gateway_alone() -> None:
    (command,) = commands_that_know(PROVIDER_KEY)
    assert "litellm.proxy.proxy_cli" in command


@pytest.mark.parametrize("name", ["langfuse", "replicas"])
async def test_what_a_profile_says_of_itself_is_for_the_api_and_the_gateway(
    tmp_path: Path, name: str
) -> None:
    machine = Machine(tmp_path)
    await machine.once("variables")
    await machine.once(f"{name}-variables")
    for volume, variable, _ in SERVICES[f"{name}-variables"].writes:
        assert (machine.volume(volume) / variable).read_text()
    for_api, for_gateway = (
        {file.name: file.read_text() for file in machine.volume(volume).iterdir()}
        for volume in ("for-api", "for-gateway")
    )
    assert for_api.pop("LLM_GATEWAY_API_KEY") == for_gateway.pop("LITELLM_MASTER_KEY")
    assert for_api == for_gateway


async def test_with_a_realm_the_tool_gateway_takes_its_tokens_and_no_key(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.once("variables")
    await machine.once("auth-variables")
    process = await machine.started(SERVICES["runtime-mcp"])
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            url = f"{machine.url('runtime-mcp')}/health/ready"
            while (status := await status_of(http, url)) is None:
                assert process.returncode is None, machine.said("runtime-mcp")
                await asyncio.sleep(0.1)
        assert status == (503, "identity_unavailable")
    finally:
        process.terminate()
        await process.wait()


async def status_of(http: aiohttp.ClientSession, url: str) -> tuple[int, str] | None:
    """None where nobody listens yet."""
    try:
        async with http.get(url) as response:
            return response.status, (await response.json())["status"]
    except aiohttp.ClientConnectionError:
        return None


async def test_where_the_realm_has_not_come_the_api_does_not_start_without_one(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    await machine.once("variables")
    await machine.once("auth-variables")
    process = await machine.started(SERVICES["api"])
    assert await process.wait() == 2
    assert "OPENFGA_STORE_ID" in machine.said("api")
