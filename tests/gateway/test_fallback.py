"""Two providers of one alias: when the second is asked, and that it is never one call too many."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from api.gateway.error_table import CALLS_HEADER
from conftest import RunningProvider
from reading import read_stream
from running import ATTRIBUTED, RunningGateway, running_gateway, serving_alone, settings_for

HEADER = CALLS_HEADER
PAIRS = {
    "500-then-ok": ("status-500", "ok"),
    "503-then-ok": ("status-503", "ok"),
    "429-then-ok": ("status-429-after-90", "ok"),
    "401-then-ok": ("status-401", "ok"),
    "hang-then-ok": ("hang", "ok"),
    "cutsoon-then-ok": ("cutsoon", "ok"),
    "400-then-ok": ("badparam", "ok"),
    "context-then-ok": ("context", "ok"),
    "cut-then-ok": ("cut", "ok"),
    "ok-then-500": ("ok", "status-500"),
    "two-500": ("status-500-first", "status-500-second"),
    "two-429": ("status-429-first", "status-429-second"),
    "two-hang": ("hang", "hang"),
    "two-cutsoon": ("cutsoon", "cutsoon"),
    "two-html": ("html", "html"),
    "next-500": ("status-500-third", "status-500-fourth"),
}


def entries(alias: str) -> list[dict[str, Any]]:
    return [
        {
            "model_name": alias,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": "os.environ/PROVIDER_URL",
                "api_key": "sk-provider",
                "order": order,
                "timeout": 1,
            },
            "model_info": {"free": True},
        }
        for order, model in enumerate(PAIRS[alias], start=1)
    ]


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    overlay: Path = tmp_path_factory.mktemp("fallback") / "overlay.yaml"
    more = {"model_list": [entry for alias in PAIRS for entry in entries(alias)]}
    overlay.write_text(yaml.safe_dump(more))
    return overlay


@pytest.fixture(scope="module")
async def gateway(provider: RunningProvider, overlay: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(provider.url, overlay) as running:
        yield running


async def ask(
    gateway: RunningGateway, alias: str, prompt: str, **more: Any
) -> tuple[aiohttp.ClientResponse, str]:
    messages = [{"role": "user", "content": prompt}]
    body = {"model": alias, "messages": messages, "metadata": ATTRIBUTED} | more
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{gateway.url}/chat/completions", json=body) as response,
    ):
        return response, await response.text()


def asked(provider: RunningProvider, prompt: str) -> list[str]:
    return [str(call.body["model"]) for call in provider.seen.for_prompt(prompt)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "alias",
    [
        "500-then-ok",
        "503-then-ok",
        "429-then-ok",
        "401-then-ok",
        "hang-then-ok",
        "cutsoon-then-ok",
    ],
)
async def test_where_the_first_provider_fails_the_second_answers(
    gateway: RunningGateway, provider: RunningProvider, alias: str, stream: bool
) -> None:
    prompt = f"{alias}, {stream}"
    response, text = await ask(gateway, alias, prompt, stream=stream)
    assert response.status == 200, text
    assert asked(provider, prompt) == list(PAIRS[alias])
    assert response.headers[HEADER] == "2"
    assert '"finish_reason":"stop"' in text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("alias", ["400-then-ok", "context-then-ok"])
async def test_a_prompt_that_is_refused_is_not_sent_to_the_second(
    gateway: RunningGateway, provider: RunningProvider, alias: str, stream: bool
) -> None:
    prompt = f"{alias}, {stream}"
    response, text = await ask(gateway, alias, prompt, stream=stream)
    assert (response.status, response.headers[HEADER]) == (400, "1")
    assert json.loads(text)["error"]["message"].startswith("litellm.")
    assert asked(provider, prompt) == [PAIRS[alias][0]]


async def test_the_second_is_not_asked_while_the_first_answers(
    gateway: RunningGateway, provider: RunningProvider
) -> None:
    for n in range(10):
        response, _ = await ask(gateway, "ok-then-500", f"in order {n}")
        assert (response.status, response.headers[HEADER]) == (200, "1")
        assert asked(provider, f"in order {n}") == ["ok"]


async def test_a_stream_that_has_begun_is_not_taken_over(
    gateway: RunningGateway, provider: RunningProvider
) -> None:
    _, text = await ask(gateway, "cut-then-ok", "begun", stream=True)
    assert asked(provider, "begun") == ["cut"]
    assert '"error"' in text.split("\n\n")[-2]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_caller_can_have_the_first_alone(
    gateway: RunningGateway, provider: RunningProvider, stream: bool
) -> None:
    prompt = f"alone, {stream}"
    switch = {"stream": stream, "disable_fallbacks": True}
    response, _ = await ask(gateway, "500-then-ok", prompt, **switch)
    assert (response.status, response.headers[HEADER]) == (500, "1")
    assert asked(provider, prompt) == ["status-500"]
    assert "disable_fallbacks" not in str(provider.seen.for_prompt(prompt)[0].body)


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
@pytest.mark.parametrize(
    ("alias", "code", "most"),
    [
        ("two-500", "upstream_failed", [*PAIRS["two-500"], "status-500-first", *PAIRS["next-500"]]),
        (
            "two-429",
            "rate_limited",
            [*PAIRS["two-429"], "status-429-first", "status-429-first", "status-500-third"],
        ),
        ("two-hang", "gateway_timeout", ["hang"] * 3 + list(PAIRS["next-500"])),
        ("two-cutsoon", "upstream_failed", ["cutsoon"] * 3 + list(PAIRS["next-500"])),
        ("two-html", "upstream_failed", ["html"] * 3 + list(PAIRS["next-500"])),
    ],
)
async def test_a_call_of_the_service_that_fails_everywhere_is_five_calls_at_the_providers(
    gateway: RunningGateway,
    provider: RunningProvider,
    lane: str,
    path: str,
    alias: str,
    code: str,
    most: list[str],
) -> None:
    settings = settings_for(
        gateway.url,
        llm_client=lane,
        llm_default_model=alias,
        llm_fallback_models=("next-500", "status-503", "status-500"),
    )
    prompt = f"{alias}, {path}, {lane}"
    async with serving_alone(settings) as service, service.post(path, prompt=prompt) as response:
        assert f'"code":"{code}"' in await response.text()
    calls = asked(provider, prompt)
    assert len(calls) <= 5
    # A stream that LiteLLM calls complete does not go on with the second, but counts as if it did.
    if alias != "two-html" or path == "/llm/complete":
        assert calls == most


@pytest.mark.parametrize("path", ["/llm/complete", "/llm/stream"])
async def test_what_the_second_provider_answers_is_one_attempt_of_the_service(
    gateway: RunningGateway, provider: RunningProvider, lane: str, path: str
) -> None:
    settings = settings_for(gateway.url, llm_client=lane, llm_default_model="500-then-ok")
    prompt = f"one attempt, {path}, {lane}"
    async with serving_alone(settings) as service, service.post(path, prompt=prompt) as response:
        assert response.status == 200
        if path == "/llm/stream":
            done = (await read_stream(response))[-1].data
        else:
            done = await response.json()
    assert done["status"] == "complete"
    assert [attempt["outcome"] for attempt in done["attempts"]] == ["ok"]
    assert asked(provider, prompt) == ["status-500", "ok"]
