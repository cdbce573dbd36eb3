"""Where the traces of the real gateway go: to Langfuse and to a collector, and nowhere unasked."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

import langfuse_stand_in
from asking import Caller
from conftest import RunningProvider
from langfuse_stand_in import Langfuse
from local.langfuse.observations import observation_of
from metering import Scraper
from otlp import Collector, Span, create_collector
from running import (
    ATTRIBUTED,
    ROOT,
    RunningGateway,
    listening,
    running_gateway,
    serving,
    settings_for,
)

LEVEL = "langfuse.observation.level"
TAGS = "langfuse.trace.tags"


@dataclass(frozen=True)
class Traced:
    """A gateway whose traces go to a Langfuse and to a collector."""

    gateway: RunningGateway
    langfuse: Langfuse
    collector: Collector
    http: aiohttp.ClientSession

    async def ask(self, prompt: str, model: str = "ok", key: str = "", **more: Any) -> int:
        """The status of a call with the metadata that the service sends."""
        metadata = {
            "project_id": "demo",
            "solution": "traces",
            "trace_metadata": {"project_id": "demo", "solution": "traces"},
            "tags": ["project:demo", "solution:traces"],
        }
        messages = [{"role": "user", "content": prompt}]
        body = {"metadata": metadata, "messages": messages} | more
        caller = Caller(self.http, self.gateway.url, key or self.gateway.key)
        return (await caller.ask(model, **body)).status


@pytest.fixture(scope="module")
async def traced(provider: RunningProvider) -> AsyncIterator[Traced]:
    langfuse, collector = Langfuse(), Collector()
    async with (
        listening(langfuse_stand_in.create_app(langfuse)) as langfuse_url,
        listening(create_collector(collector)) as collector_url,
        running_gateway(
            provider.url,
            ROOT / "tests" / "traces_overlay.yaml",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector_url,
            OTEL_SERVICE_NAME="gateway-of-the-tests",
            **langfuse_stand_in.settings(langfuse_url),
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        yield Traced(gateway, langfuse, collector, http)


def is_booked_on_demo(span: Span) -> bool:
    """Whether Langfuse can filter by whose it is, and in both ways."""
    said = [span.attributes.get(f"langfuse.trace.metadata.{x}") for x in ("project_id", "solution")]
    return said == ["demo", "traces"] and {"project:demo", "solution:traces"} <= {
        *span.attributes[TAGS]
    }


@pytest.mark.parametrize(
    ("model", "stream", "levels"),
    [
        ("ok", False, ["DEFAULT"]),
        ("ok", True, ["DEFAULT"]),
        ("status-500", False, ["ERROR"]),
        ("status-429", True, ["ERROR"]),
        ("cut", True, ["ERROR"]),
        ("hang", False, ["ERROR"]),
        ("second-attempt", False, ["ERROR", "DEFAULT"]),
        ("second-attempt", True, ["ERROR", "DEFAULT"]),
    ],
)
async def test_each_attempt_is_one_generation_that_says_whose_it_is(
    traced: Traced, model: str, stream: bool, levels: list[str]
) -> None:
    prompt = f"traced {model} {stream}"
    await traced.ask(prompt, model, stream=stream)
    generations = await traced.langfuse.generations(prompt, len(levels))
    assert [span.attributes[LEVEL] for span in generations] == levels
    assert all(map(is_booked_on_demo, generations))
    assert traced.langfuse.refused == 0


async def test_a_call_of_the_service_is_found_by_its_project_and_its_trace(traced: Traced) -> None:
    prompt, trace = "traced by the service", "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    async with serving(settings_for(traced.gateway.url)) as service:
        headers = {"X-Project-ID": "demo", "traceparent": parent}
        url = f"{service.url}/llm/complete"
        async with service.http.post(url, json={"prompt": prompt}, headers=headers) as response:
            assert response.status == 200
    (generation,) = await traced.langfuse.generations(prompt)
    assert generation.attributes["langfuse.trace.metadata.project_id"] == "demo"
    assert generation.trace == trace


async def test_a_streamed_second_attempt_begins_after_the_first(traced: Traced) -> None:
    prompt = "when did it begin"
    await traced.ask(prompt, "second-attempt", stream=True)
    found = await traced.langfuse.generations(prompt, 2)
    first, second = (observation_of(span).record for span in found)
    assert (first["level"], second["level"]) == ("ERROR", "DEFAULT")
    assert first["endTime"] <= second["startTime"]
    assert second["completionStartTime"] is not None
    assert second["startTime"] <= second["completionStartTime"] <= second["endTime"]


@pytest.mark.parametrize(
    "call", [{"model": "nosuch"}, {"metadata": {}}, {"key": "sk-wrong"}], ids=str
)
async def test_a_refused_call_is_no_generation(traced: Traced, call: dict[str, Any]) -> None:
    prompt = f"refused {call}"
    assert await traced.ask(prompt, **call) in (400, 401)
    await traced.ask(f"after {call}")
    await traced.langfuse.generations(f"after {call}")
    assert await traced.langfuse.generations(prompt, 0) == []


async def test_a_collector_gets_the_calls_and_none_of_the_words(traced: Traced) -> None:
    prompt = "a question for the collector"
    await traced.ask(prompt)
    await traced.langfuse.generations(prompt)
    spans = await traced.collector.waited_for(
        lambda span: (
            span.resource.get("service.name") == "gateway-of-the-tests"
            and span.name == "litellm_request"
        )
    )
    assert spans
    assert "question for the collector" not in str(traced.collector.spans)
    assert "capital of France" not in str(traced.collector.spans)


@pytest.mark.parametrize("slow", [0, 30], ids=["dead", "slow"])
async def test_a_langfuse_that_does_not_answer_delays_no_call(
    provider: RunningProvider, slow: int
) -> None:
    langfuse = Langfuse(slow=slow)
    async with listening(langfuse_stand_in.create_app(langfuse)) as url:
        gone = langfuse_stand_in.settings(url if slow else "http://127.0.0.1:9")
        async with (
            running_gateway(provider.url, **gone) as gateway,
            aiohttp.ClientSession() as http,
        ):
            caller = Caller(http, gateway.url, gateway.key)
            await caller.ask()
            began = time.monotonic()
            answers = await asyncio.gather(*(caller.ask(stream=bool(n % 2)) for n in range(20)))
            assert [said.status for said in answers] == [200] * 20
            assert time.monotonic() - began < 3
            assert (await caller.ask("status-500")).status == 500
            await Scraper(http, gateway.url).until(
                {("500",): 1}, "litellm_requests_total", **ATTRIBUTED, model="status-500"
            )


async def test_without_all_three_variables_nothing_is_sent_whatever_a_call_says(
    provider: RunningProvider,
) -> None:
    """Every way out of the gateway is through a proxy here, which writes down what it is asked."""
    langfuse, missing = Langfuse(), "LANGFUSE_HOST"
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    way_out = await asyncio.start_server(refuse, "127.0.0.1", 0)
    proxy = "http://{}:{}".format(*way_out.sockets[0].getsockname())
    async with way_out, listening(langfuse_stand_in.create_app(langfuse)) as url:
        some = langfuse_stand_in.settings(url) | {missing: "", "HTTPS_PROXY": proxy}
        async with (
            running_gateway(provider.url, **some) as gateway,
            aiohttp.ClientSession() as http,
        ):
            caller = Caller(http, gateway.url, gateway.key)
            for who in (caller, Caller(http, gateway.url, "sk-wrong")):
                for way in ("success_callback", "failure_callback", "callbacks"):
                    more: dict[str, Any] = {way: ["langfuse"]}
                    assert (await who.ask(**more)).error == (400, "invalid_request_error")
                    assert (await who.ask("nosuch", **more)).status == 400
                assert (await who.ask(langfuse_host=url)).status != 200
            assert (await caller.ask()).status == 200
            await asyncio.sleep(4)
            log = (gateway.folder / "gateway.log").read_text()
    assert (langfuse.spans, langfuse.refused, asked) == ([], 0, [])
    assert f"no traces in Langfuse without {missing}" in log
