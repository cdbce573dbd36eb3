"""The keys of the real gateway: who may call, for whom, and what a project's key reaches."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.gateway.chat_format import BOOKED_HEADER
from asking import PROJECT_KEYS, Caller
from conftest import RunningProvider
from marked import marked
from running import MASTER_KEY

DEMO = PROJECT_KEYS["demo"]
Keyed = Callable[[str], Caller]


@dataclass(frozen=True)
class Files:
    keys: Path

    def write(self, text: str) -> None:
        self.keys.write_text(text)


@pytest.fixture
def files(key_file: Path) -> Iterator[Files]:
    yield Files(key_file)
    key_file.write_text(json.dumps(PROJECT_KEYS))


async def test_the_services_key_speaks_for_every_project(service: Caller) -> None:
    assert [(await service.ask(project=name)).status for name in ("demo", "another")] == [200, 200]


async def test_a_projects_key_speaks_for_its_project(with_key: Keyed) -> None:
    assert (await with_key(DEMO).ask(project="demo")).status == 200


@pytest.mark.parametrize("place", ["metadata", "litellm_metadata"])
async def test_a_projects_key_speaks_for_no_other(with_key: Keyed, place: str) -> None:
    other: dict[str, Any] = {place: {"project_id": "narrow", "solution": "tests"}}
    said = await with_key(DEMO).ask(**{"metadata": {}} | other)
    assert said.error == (403, "project_mismatch")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_projects_key_fills_its_project_in(with_key: Keyed, stream: bool) -> None:
    said = await with_key(DEMO).ask(metadata={"solution": "tests"}, stream=stream)
    assert (said.status, said.headers[BOOKED_HEADER]) == (200, "demo")


@pytest.mark.parametrize(
    "key",
    ["sk-wrong", MASTER_KEY[:-1], MASTER_KEY + "r", "", "é"],
    ids=["another", "shorter", "longer", "none", "not ASCII"],
)
async def test_a_wrong_key_is_a_401(with_key: Keyed, key: str) -> None:
    assert (await with_key(key).ask()).error == (401, "auth_error")


async def test_a_401_costs_no_call(with_key: Keyed, provider: RunningProvider) -> None:
    before = len(provider.seen.calls)
    await with_key("sk-wrong").ask()
    assert len(provider.seen.calls) == before


OF_THE_MASTER = [
    ("GET", "/config/yaml"),
    ("GET", "/get/config/callbacks"),
    ("POST", "/config/update"),
    ("POST", "/key/generate"),
    ("GET", "/key/list"),
    ("GET", "/model/info"),
    ("GET", "/v1/model/info"),
    ("GET", "/health"),
    ("GET", "/global/spend/logs"),
    ("POST", "/model/new"),
    ("POST", "/user/new"),
    ("GET", "/settings"),
    ("GET", "/routes"),
]


@pytest.mark.parametrize(("method", "path"), OF_THE_MASTER)
async def test_a_projects_key_reaches_nothing_of_the_masters(
    with_key: Keyed, method: str, path: str
) -> None:
    said = await with_key(DEMO).send(method, path, {} if method == "POST" else None)
    assert said.status in (403, 404), said.text
    assert said.status == 404 or said.error == (403, "route_not_served")


async def test_the_master_key_reads_them_as_before(service: Caller) -> None:
    said = await service.send("GET", "/v1/model/info")
    assert said.status == 200
    assert {entry["model_name"] for entry in json.loads(said.text)["data"]} > {"ok"}


async def test_nobody_checks_the_health_of_models_on_nobodys_account(
    service: Caller, provider: RunningProvider
) -> None:
    before = len(provider.seen.calls)
    assert (await service.send("GET", "/health")).error == (403, "route_not_served")
    assert len(provider.seen.calls) == before


PAST_THE_POLICY = [
    "/openai/v1/chat/completions",
    "/openai/deployments/ok/chat/completions",
    "/engines/ok/chat/completions",
    "/anthropic/v1/messages",
    "/v1beta/models/ok:generateContent",
    "/gemini/v1beta/models/ok:generateContent",
    "/vertex_ai/v1/projects/p/locations/l/publishers/google/models/ok:generateContent",
    "/bedrock/model/ok/invoke",
    "/v1/messages/count_tokens",
    "/v1/responses/compact",
    "/v1/images/generations",
    "/v1/audio/speech",
    "/v1/moderations",
    "/v1/rerank",
    "/v1/batches",
    "/v1/threads",
    "/queue/chat/completions",
    "/health/test_connection",
    "/utils/test_policies_and_guardrails",
    "/cursor/chat/completions",
]


@pytest.mark.parametrize("path", PAST_THE_POLICY)
async def test_nobody_calls_a_model_past_the_policy(
    service: Caller, provider: RunningProvider, path: str
) -> None:
    before = len(provider.seen.calls)
    messages = [{"role": "user", "content": "x"}]
    metadata = {"project_id": "demo", "solution": "tests"}
    body = {"model": "ok", "messages": messages, "max_tokens": 5, "metadata": metadata}
    said = await service.send("POST", path, body)
    assert said.status in (401, 403, 404, 405), said.text
    assert len(provider.seen.calls) == before


async def test_a_renewed_file_counts_within_two_seconds_and_a_torn_one_closes(
    with_key: Keyed, files: Files
) -> None:
    rotating = with_key(marked("rotating"))
    renewed = json.dumps(PROJECT_KEYS | {"rotating": rotating.key})
    assert (await rotating.ask(project=None)).status == 401
    files.write(renewed)
    assert await seconds_until(rotating, 200) < 2
    files.write(renewed[:-4])
    assert await seconds_until(rotating, 503) < 2
    assert (await with_key(MASTER_KEY).ask()).status == 200
    files.write(json.dumps(PROJECT_KEYS))
    assert await seconds_until(rotating, 401) < 2
    assert (await with_key(DEMO).ask()).status == 200


async def seconds_until(caller: Caller, status: int) -> float:
    began = time.monotonic()
    while (await caller.ask(metadata={"solution": "tests"})).status != status:
        await asyncio.sleep(0.1)
        assert time.monotonic() - began < 5
    return time.monotonic() - began
