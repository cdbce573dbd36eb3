"""schemathesis against a process of the API: what the document says is tried, and what it forbids.

A gateway that answers every call with a word stands behind it, so that each failure is our own.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from local.openai_wire import DONE, answer, chunk, last_chunks
from local.run.ports import free_port
from running import ROOT, api_command, listening

OPERATIONS = [
    "POST /llm/complete",
    "POST /llm/stream",
    "GET /llm/stream",
    "POST /llm/stream-ticket",
    "GET /llm/test",
    "GET /llm/models",
]
PROBES = ["GET /health", "GET /health/live", "GET /health/ready"]
START_SECONDS = 20
REFUSALS = """
[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "413", "422", "429"]
"""
"""What is wrong and too long as well may be refused for its length."""


@dataclass(frozen=True)
class Fuzzed:
    """What schemathesis did, and how it says what it found."""

    cases: int
    failures: int
    exit_code: int | None
    words: str


async def completion(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    model = asked["model"]
    if not asked.get("stream"):
        body = answer(model, "Paris.", "stop", 1)
        return web.Response(body=body, content_type="application/json")
    events = (chunk(model, {"content": "Paris."}), last_chunks(model, "stop", 1), DONE)
    return web.Response(body=b"".join(events), content_type="text/event-stream")


async def models(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "ok"}]})


async def ready(_: web.Request) -> web.Response:
    return web.json_response({})


@asynccontextmanager
async def fuzzed_api(**variables: str) -> AsyncIterator[str]:
    """The address of a process of the API.

    Args:
        variables: more of its environment.
    """
    app = web.Application()
    app.router.add_post("/v1/chat/completions", completion)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/health/readiness", ready)
    port = str(free_port())
    async with listening(app) as gateway:
        env = {
            "PATH": os.environ["PATH"],
            "AUTH_MODE": "disabled",
            "LLM_GATEWAY_URL": f"{gateway}/v1",
            "LLM_GATEWAY_API_KEY": "sk-fuzzed",
            "LLM_FALLBACK_MODELS": ",",
            "PORT": port,
        }
        process = await asyncio.create_subprocess_exec(
            *api_command(),
            env=env | variables,
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield await when_live(f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            await process.wait()


async def when_live(url: str, path: str = "/health/ready") -> str:
    """The address, once this path of it is a 200."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
        while True:
            try:
                async with http.get(url + path) as response:
                    if response.status == 200:
                        return url
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def fuzz(
    url: str,
    operations: list[str],
    cases: int,
    folder: Path,
    *,
    seed: int,
    headers: Mapping[str, str] | None = None,
) -> Fuzzed:
    """Makes at least so many cases for each operation that has anything to vary.

    Args:
        operations: as in `GET /health`.
        headers: what every request has, as a token.
    """
    report = folder / "report.json"
    (folder / "schemathesis.toml").write_text(REFUSALS)
    chosen = [word for name in operations for word in ("--include-name", name)]
    named = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}:{value}")]
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *(*chosen, *named),
        *("--phases", "examples,coverage,fuzzing", "--mode", "all", "--checks", "all"),
        *("--max-examples", str(cases), "--seed", str(seed), "--continue-on-failure"),
        *("--no-shrink", "--no-color", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", str(report)),
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "tests"),
            "SCHEMATHESIS_HOOKS": "fuzzing_hooks",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        words, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    counted = said.get("test_cases", {"generated": 0, "unique_failures": 0})
    return Fuzzed(
        counted["generated"], counted["unique_failures"], process.returncode, words.decode()
    )
