"""The keys of the gateway are in its environment, and in no answer, log, metric or trace."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import langfuse_stand_in
from canaries import FAULTS, PROVIDERS, canary, create_echo, overlay, pieces, talkative_api
from conftest import RunningProvider
from langfuse_stand_in import PUBLIC_KEY, Langfuse
from local.langfuse.app import Keys
from otlp import Collector, create_collector
from running import ATTRIBUTED, RunningGateway, listening, running_gateway

MODELS = [f"{name}-{place}" for name in PROVIDERS for place in ("echo", "gone")]
MODELS += [*(f"openai-{fault}" for fault in FAULTS), "nosuch"]
READ_BY_THE_MASTER = ("/v1/models", "/v1/model/info", "/get/config/callbacks", "/config/yaml")


async def answer(
    http: aiohttp.ClientSession, url: str, key: str, body: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """Who asked what, and all that he got to see."""
    headers = {"Authorization": f"Bearer {key}", "X-Project-ID": "demo"}
    async with http.request("POST" if body else "GET", url, json=body, headers=headers) as response:
        seen = f"{response.status} {dict(response.headers)} {await response.text()}"
        return f"{response.url.path}, {key[:12]}{key[-1:]}, {body}", seen


async def asked(gateway: RunningGateway, api: str, keys: Mapping[str, str]) -> dict[str, str]:
    """What is seen of calls that end in every way, by everybody who may call or not."""
    master, direct = keys["LITELLM_MASTER_KEY"], f"{gateway.url}/chat/completions"
    root = gateway.url.removesuffix("/v1")
    seen: dict[str, str] = {}
    async with aiohttp.ClientSession() as http:
        for model in MODELS:
            for path in ("stream", "complete"):
                messages = [{"role": "user", "content": "Where?"}]
                body = {"model": model, "messages": messages, "metadata": ATTRIBUTED} | {
                    "stream": path == "stream"
                }
                prompt = {"prompt": "Where?", "model": model}
                calls = [
                    answer(http, direct, key, body)
                    for key in (master, keys["PROJECT_KEY"], f"{master}x")
                ]
                calls.append(answer(http, f"{api}/llm/{path}", "", prompt))
                seen.update(await asyncio.gather(*calls))
        for path in READ_BY_THE_MASTER:
            seen.update([await answer(http, root + path, master)])
        seen.update([await answer(http, f"{root}/metrics", "")])
    return seen


@pytest.mark.timeout(240)
async def test_no_key_is_seen_however_a_call_ends(
    provider: RunningProvider, tmp_path: Path
) -> None:
    names = (*PROVIDERS.values(), "LITELLM_MASTER_KEY", "LANGFUSE_SECRET_KEY", "PROJECT_KEY")
    keys = {name: canary(name) for name in names}
    key_file = tmp_path / "keys.json"
    key_file.write_text(json.dumps({"demo": keys["PROJECT_KEY"]}))
    langfuse, collector = Langfuse(Keys(PUBLIC_KEY, keys["LANGFUSE_SECRET_KEY"])), Collector()
    async with (
        listening(create_echo()) as echo_url,
        listening(langfuse_stand_in.create_app(langfuse)) as langfuse_url,
        listening(create_collector(collector)) as collector_url,
        running_gateway(
            provider.url,
            overlay(tmp_path, f"{echo_url}/v1"),
            PROJECT_KEYS_FILE=str(key_file),
            OTEL_EXPORTER_OTLP_ENDPOINT=collector_url,
            **langfuse_stand_in.settings(langfuse_url) | keys,
        ) as gateway,
        talkative_api(tmp_path, gateway.url, keys["LITELLM_MASTER_KEY"]) as api,
    ):
        seen = await asked(gateway, api, keys)
        await asyncio.sleep(7)
    seen["the log of the API"] = (tmp_path / "api.log").read_text()
    seen["the log of the gateway"] = (gateway.folder / "gateway.log").read_text()
    seen["Langfuse"], seen["the collector"] = str(langfuse.spans), str(collector.spans)

    assert "Incorrect API key provided" in seen["Langfuse"]
    assert "llm_call" in seen["the log of the API"]
    assert collector.spans
    assert {
        (place, name)
        for place, text in seen.items()
        for name, key in keys.items()
        if any(piece in text for piece in pieces(key))
    } == set()
