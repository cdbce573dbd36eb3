"""Keys that must be seen nowhere, models that use them, and a provider that says them back."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web

from hearsay import keep
from local.run.ports import free_port
from running import ROOT, api_command, wait_until_ready

PROVIDERS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "azure": "AZURE_API_KEY",
}
FAULTS = (
    *("ok", "status-401", "status-429-after-1", "status-500", "cut", "cutclean"),
    *("html", "garbage", "hang", "context"),
)
NOBODY = "http://127.0.0.1:9"
PIECE = 8
"""Characters of a key that are not seen together by chance."""


def canary(name: str) -> str:
    return f"sk-{name.lower().replace('_', '-')}-{secrets.token_hex(16)}"


def pieces(key: str) -> set[str]:
    """Its random half in pieces, so that a key that is shown in part is seen too."""
    return {key[-32:][start : start + PIECE] for start in range(0, 32, PIECE)}


def overlay(folder: Path, echo_url: str) -> Path:
    """An alias for each provider and each way to fail, all with the keys of the environment."""
    places = {"echo": echo_url, "gone": NOBODY}
    entries = [
        entry(f"{name}-{place}", f"{name}/some-model", url, variable)
        for name, variable in PROVIDERS.items()
        for place, url in places.items()
    ]
    entries += [
        entry(f"openai-{fault}", f"openai/{fault}", "os.environ/PROVIDER_URL", "OPENAI_API_KEY")
        for fault in FAULTS
    ]
    file = folder / "canaries.yaml"
    file.write_text(yaml.safe_dump({"model_list": entries}))
    return file


def entry(alias: str, model: str, url: str, variable: str) -> dict[str, object]:
    params = {"model": model, "api_base": url, "api_key": f"os.environ/{variable}", "timeout": 2}
    if model.startswith("azure/"):
        params["api_version"] = "2025-01-01"
    return {"model_name": alias, "litellm_params": params, "model_info": {"free": True}}


async def echo(request: web.Request) -> web.Response:
    """The worst of providers: a 401 that says all that it was sent, the key too."""
    sent = " ".join([str(request.rel_url), *request.headers.values()])
    error = {"message": f"Incorrect API key provided: {sent}", "type": "auth", "code": "401"}
    return web.json_response({"error": error}, status=401)


def create_echo() -> web.Application:
    app = web.Application()
    app.router.add_post("/{path:.*}", echo)
    return app


@asynccontextmanager
async def talkative_api(folder: Path, gateway_url: str, key: str) -> AsyncIterator[str]:
    """The API as a process that says all it can, into `api.log`; its address."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "AUTH_MODE": "disabled",
        "LLM_GATEWAY_URL": gateway_url,
        "LLM_GATEWAY_API_KEY": key,
        "LLM_FALLBACK_MODELS": ",",
        "LOG_LEVEL": "DEBUG",
        "PORT": str(port),
    }
    with (folder / "api.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *api_command(), env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        await wait_until_ready(process, f"http://127.0.0.1:{port}/health/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
        keep(folder / "api.log")
