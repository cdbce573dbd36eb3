"""Every entry of the config, through the real proxy, to a server that checks the right wire."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from conftest import RunningProvider
from local.config_check import CONFIG
from local.run.config import Config, read
from marked import marked
from provider_wires import (
    MAX_TOKENS,
    PROMPT,
    SYSTEM,
    Anthropic,
    Azure,
    Gemini,
    MetadataServer,
    Ollama,
    OpenAi,
    Vertex,
    Wire,
)
from running import RunningGateway, listening, running_gateway

ENTRIES: list[Config] = read(CONFIG)["model_list"]
KEYS = {
    f"{name}_API_KEY": marked(name) for name in ("OPENAI", "ANTHROPIC", "GEMINI", "AZURE", "VLLM")
}
TOKEN = "ya29.of-the-metadata-server"
REGION = "europe-west4"
FREE = {"llama3.1-70b", "ollama/llama3.1"}
METADATA = {"project_id": "p-of-nobodys-business", "solution": "s-of-nobodys-business"}


def model_of(entry: Config) -> str:
    return str(entry["litellm_params"]["model"])


def wire_of(entry: Config) -> Wire:
    """The provider of an entry, as its server."""
    params = entry["litellm_params"]
    provider, _, model = model_of(entry).partition("/")
    if provider == "openai":
        key = KEYS["VLLM_API_KEY" if "api_base" in params else "OPENAI_API_KEY"]
        return OpenAi(model, key)
    if provider == "vertex_ai":
        given = params["vertex_location"]
        return Vertex(model, TOKEN, location="global" if given == "global" else REGION)
    return {
        "azure": Azure(model, KEYS["AZURE_API_KEY"]),
        "anthropic": Anthropic(model, KEYS["ANTHROPIC_API_KEY"]),
        "gemini": Gemini(model, KEYS["GEMINI_API_KEY"]),
        "ollama_chat": Ollama(model, ""),
    }[provider]


@dataclass(frozen=True)
class Routed:
    """The gateway, where every entry of the config has an alias of its own, and its providers."""

    gateway: RunningGateway
    wires: dict[str, Wire]
    metadata_server: MetadataServer

    async def ask(self, alias: str, *, stream: bool) -> tuple[aiohttp.ClientResponse, str]:
        body = {
            "model": alias,
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": PROMPT},
            ],
            "max_tokens": MAX_TOKENS,
            "stream": stream,
            "metadata": METADATA,
        } | ({"stream_options": {"include_usage": True}} if stream else {})
        headers = {"Authorization": f"Bearer {self.gateway.key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{self.gateway.url}/chat/completions", json=body) as response,
        ):
            text = await response.text()
            assert response.status == 200, text
            return response, text


@pytest.fixture(scope="module")
async def routed(
    provider: RunningProvider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Routed]:
    wires: dict[str, Wire] = {}
    entries: list[Config] = []
    folder: Path = tmp_path_factory.mktemp("routing")
    async with AsyncExitStack() as stack:
        for entry in ENTRIES:
            alias = model_of(entry)
            wires[alias] = wire = wire_of(entry)
            url = await stack.enter_async_context(listening(wire.app()))
            params = {**entry["litellm_params"], "api_base": url + wire.base}
            params.pop("order", None)
            entries.append(entry | {"model_name": alias, "litellm_params": params})
        overlay = folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump({"model_list": entries}))
        metadata_server = MetadataServer(TOKEN)
        url = await stack.enter_async_context(listening(metadata_server.app()))
        host = url.removeprefix("http://")
        variables: dict[str, Any] = KEYS | {
            "VERTEXAI_PROJECT": Vertex.project,
            "VERTEXAI_LOCATION": REGION,
            "AZURE_API_VERSION": Azure.version,
            "GCE_METADATA_HOST": host,
            "GCE_METADATA_IP": host,
            "CLOUDSDK_CONFIG": str(folder),
            "GOOGLE_APPLICATION_CREDENTIALS": "",
        }
        gateway = await stack.enter_async_context(
            running_gateway(provider.url, overlay, **variables)
        )
        yield Routed(gateway, wires, metadata_server)


every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=model_of)


@every_entry
async def test_a_whole_answer_over_the_providers_own_wire(routed: Routed, entry: Config) -> None:
    response, text = await routed.ask(model_of(entry), stream=False)
    answer = json.loads(text)
    (choice,) = answer["choices"]
    assert choice["message"]["content"] == "Paris."
    assert choice["finish_reason"] == "length"
    assert used(answer) == (11, 2, 13)
    cost = float(response.headers.get("x-litellm-response-cost", 0))
    assert (cost > 0) is (entry["model_name"] not in FREE)


@every_entry
async def test_a_stream_over_the_providers_own_wire(routed: Routed, entry: Config) -> None:
    _, text = await routed.ask(model_of(entry), stream=True)
    *lines, end = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert end == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "Paris."
    assert [c["finish_reason"] for c in choices if c.get("finish_reason")] == ["length"]
    (counted,) = [used(chunk) for chunk in chunks if chunk.get("usage")]
    assert counted == (11, 2, 13)


def used(answer: dict[str, Any]) -> tuple[int, int, int]:
    usage = answer["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]


@every_entry
async def test_a_provider_learns_nothing_of_the_project(routed: Routed, entry: Config) -> None:
    wire = routed.wires[model_of(entry)]
    await routed.ask(model_of(entry), stream=False)
    await routed.ask(model_of(entry), stream=True)
    assert wire.asked
    assert not [text for text in wire.asked if "nobodys-business" in text]


@every_entry
async def test_a_provider_sees_no_key_but_its_own(routed: Routed, entry: Config) -> None:
    wire = routed.wires[model_of(entry)]
    await routed.ask(model_of(entry), stream=False)
    others = {*KEYS.values(), TOKEN, routed.gateway.key} - {wire.secret}
    assert not [secret for secret in others if secret in "".join(wire.asked)]


async def test_vertex_is_called_with_the_token_of_the_pods_identity(routed: Routed) -> None:
    await routed.ask("vertex_ai/gemini-3.5-flash", stream=False)
    asked = routed.metadata_server.paths
    assert "/computeMetadata/v1/instance/service-accounts/default/token" in asked
    assert not [path for path in asked if "key" in path]
