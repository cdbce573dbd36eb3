"""The gateway as it runs in the pod: LiteLLM's own command, on the folder as it is.

An entry whose variables are not set is not asked, whatever else LiteLLM would make of it.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from api.gateway.error_table import CALLS_HEADER
from asking import Caller, Said
from hearsay import heard
from local.config_check import CONFIG
from local.openai_wire import answer, problem
from local.run.config import read, references
from local.run.environments import OFFLINE_LITELLM
from local.run.ports import free_port
from marked import marked
from running import GATEWAY_PYTHON, MASTER_KEY, listening, wait_until_ready

ALIASES = [*dict.fromkeys(entry["model_name"] for entry in read(CONFIG)["model_list"])]
GEMINI = [alias for alias in ALIASES if alias.startswith("gemini-")]
VARIABLES = {name for _, name in references(read(CONFIG)["model_list"])}


@dataclass
class AnyProvider:
    """Says yes to what is asked on OpenAI's wire, and 503 to anything else."""

    asked: list[str]

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if not request.path.endswith("/chat/completions"):
            return problem(503, "the provider is overloaded", "server_error", None)
        return web.Response(
            body=answer("any", "Paris.", "stop", 2), content_type="application/json"
        )

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app


@dataclass(frozen=True)
class Pod:
    """
    Attributes:
        log: what the gateway has said so far.
    """

    caller: Caller
    log: Path

    async def models(self) -> list[str]:
        said = await self.caller.send("GET", "/v1/models")
        assert said.status == 200
        return sorted(model["id"] for model in json.loads(said.text)["data"])

    def not_served(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if "not served: " in line]


async def started(
    folder: Path, port: int, variables: dict[str, str], config: str = CONFIG.read_text()
) -> asyncio.subprocess.Process:
    """The command on a copy of the folder, with these variables of providers and no others."""
    shutil.copytree(CONFIG.parent, folder / "litellm", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "litellm" / "config.yaml").write_text(config)
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(str(GATEWAY_PYTHON.with_name("litellm")), "--host", "127.0.0.1"),
            *("--port", str(port), "--config", str(folder / "litellm" / "config.yaml")),
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
            | OFFLINE_LITELLM
            | {"LITELLM_MASTER_KEY": MASTER_KEY, "NO_PROXY": "127.0.0.1"}
            | variables,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
        )


@asynccontextmanager
async def pod(folder: Path, **variables: str) -> AsyncIterator[Pod]:
    port = free_port()
    process = await started(folder, port, variables)
    try:
        await wait_until_ready(process, f"http://127.0.0.1:{port}/health/readiness")
        async with aiohttp.ClientSession() as http:
            yield Pod(Caller(http, f"http://127.0.0.1:{port}/v1", MASTER_KEY), folder / "log")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        heard("the gateway of a pod", (folder / "log").read_bytes())


def calls(said: Said) -> str:
    return said.headers[CALLS_HEADER]


async def test_with_one_key_exactly_its_aliases_are_served(tmp_path: Path) -> None:
    provider = AnyProvider([])
    async with (
        listening(provider.app()) as url,
        pod(tmp_path, GEMINI_API_KEY=marked("GEMINI"), GEMINI_API_BASE=url) as gateway,
    ):
        failed = await gateway.caller.ask("gemini-3.5-flash")
        assert (failed.status, calls(failed)) == (503, "1"), "its second has no variables"
        assert "the provider is overloaded" in failed.message
        assert await gateway.models() == sorted(GEMINI)

        for alias in {"nosuch", *ALIASES} - set(GEMINI):
            said = await gateway.caller.ask(alias)
            assert said.error == (400, "model_not_allowed"), alias
            assert said.message == f"Model not allowed. Allowed are: {', '.join(GEMINI)}"
        assert len(provider.asked) == 1, provider.asked

        (line,) = gateway.not_served()
        assert set(ALIASES) - set(GEMINI) < set(line.replace(";", " ").split())
        assert {name for name in VARIABLES if name in line} == VARIABLES - {"GEMINI_API_KEY"}


async def test_the_second_of_an_alias_serves_alone_and_empty_is_not_set(tmp_path: Path) -> None:
    azure, vllm = AnyProvider([]), AnyProvider([])
    async with listening(azure.app()) as azure_url, listening(vllm.app()) as vllm_url:
        variables = {
            "OPENAI_API_KEY": "",
            "AZURE_API_BASE": azure_url,
            "AZURE_API_KEY": marked("AZURE"),
            "AZURE_API_VERSION": "2024-10-21",
            "VLLM_API_BASE": f"{vllm_url}/v1",
        }
        async with pod(tmp_path, **variables) as gateway:
            said = await gateway.caller.ask("gpt-4o-mini")
            assert (said.status, calls(said)) == (200, "1")
            assert azure.asked == ["/openai/deployments/gpt-4o-mini/chat/completions"]
            refused = await gateway.caller.ask("llama3.1-70b")
            assert refused.error == (400, "model_not_allowed"), "VLLM_API_KEY is not set"
            assert not vllm.asked
            assert await gateway.models() == ["gpt-4o-mini"]


async def test_with_every_variable_every_alias_is_served(tmp_path: Path) -> None:
    provider = AnyProvider([])
    async with listening(provider.app()) as url:
        variables: dict[str, Any] = {
            name: f"{url}/v1" if name.endswith("_BASE") else marked(name) for name in VARIABLES
        }
        async with pod(tmp_path, **variables) as gateway:
            assert (await gateway.caller.ask("llama3.1-70b")).status == 200
            assert await gateway.models() == sorted(ALIASES)
            assert not gateway.not_served()


async def test_without_any_variable_the_gateway_does_not_start(tmp_path: Path) -> None:
    process = await started(tmp_path, free_port(), {})
    async with asyncio.timeout(90):
        assert await process.wait() == 2
    said = (tmp_path / "log").read_text()
    heard("the gateway of a pod", said.encode())
    (line,) = [x for x in said.splitlines() if x.startswith("no alias has the variables")]
    assert all(alias in line for alias in ALIASES)
    assert all(name in line for name in VARIABLES)


async def test_with_a_mistake_in_its_config_the_gateway_does_not_start(tmp_path: Path) -> None:
    wrong = CONFIG.read_text().replace("num_retries: 0", "num_retries: 3")
    line = wrong[: wrong.index("num_retries: 3")].count("\n") + 1
    variables = {"GEMINI_API_KEY": marked("GEMINI")}
    process = await started(tmp_path, free_port(), variables, f"{wrong}\nmodel_lst: []\n")
    async with asyncio.timeout(90):
        assert await process.wait() == 2
    said = (tmp_path / "log").read_text()
    heard("the gateway of a pod", said.encode())
    of_retries, of_a_section = said.splitlines()[-2:]
    config = tmp_path / "litellm" / "config.yaml"
    assert of_retries.startswith(f"{config}:{line}: num_retries above 0 ")
    reason = "a config has no section 'model_lst'; did you mean 'model_list'?"
    assert of_a_section == f"{config}:{wrong.count(chr(10)) + 2}: {reason}"
