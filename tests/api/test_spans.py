"""What Langfuse and a collector are told of each call, and that no call is harmed by telling it."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from grpc import StatusCode
from grpc.aio import server as grpc_server
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from pydantic import SecretStr

import langfuse_stand_in
from api import NAME
from api_process import running_api
from conftest import RunningProvider
from hearsay import said
from langfuse_stand_in import PUBLIC_KEY, SECRET_KEY, Langfuse
from local.run.ports import free_port
from marked import marked
from otlp import Collector, Span, create_collector, spans
from reading import Event, events_of, read_stream
from running import (
    Service,
    answering_completions,
    listening,
    serving_alone,
    settings_for,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Traced:
    service: Service
    langfuse: Langfuse
    collector: Collector

    async def ask(self, path: str = "/llm/complete", **options: Any) -> int:
        headers = {"X-Project-ID": "demo"} | options.pop("headers", {})
        body = {"prompt": "Who is there?"} | options
        async with self.service.http.post(
            self.service.url + path, json=body, headers=headers
        ) as response:
            await response.read()
            return response.status

    async def told(self, count: int, wanted: Callable[[Span], bool] = lambda _: True) -> list[Span]:
        return await self.langfuse.waited_for(wanted, count)


@asynccontextmanager
async def traced(url: str, **changes: Any) -> AsyncIterator[Traced]:
    langfuse, collector = Langfuse(), Collector()
    async with (
        listening(langfuse_stand_in.create_app(langfuse)) as langfuse_url,
        listening(create_collector(collector)) as collector_url,
    ):
        settings: dict[str, Any] = {
            "langfuse_host": langfuse_url,
            "langfuse_public_key": SecretStr(PUBLIC_KEY),
            "langfuse_secret_key": SecretStr(SECRET_KEY),
            "otel_exporter_otlp_endpoint": collector_url,
        }
        async with serving_alone(settings_for(url, **(settings | changes))) as service:
            yield Traced(service, langfuse, collector)


def generations(found: list[Span]) -> list[Span]:
    return [s for s in found if s.attributes["langfuse.observation.type"] == "generation"]


async def test_a_call_is_one_span_in_the_callers_trace_with_what_one_filters_by(
    provider: RunningProvider,
) -> None:
    async with traced(provider.url) as scene:
        assert await scene.ask(session_id="s-1", headers={"traceparent": TRACEPARENT}) == 200
        (span,) = await scene.told(1)
    assert (span.name, span.trace) == ("llm.complete", TRACEPARENT.split("-")[1])
    told = span.attributes
    assert told["langfuse.trace.tags"] == ["project:demo", f"solution:{NAME}"]
    assert told["langfuse.trace.metadata.project_id"] == "demo"
    assert told["langfuse.trace.metadata.solution"] == NAME
    assert told["session.id"] == "s-1"
    assert told["langfuse.observation.type"] == "span"
    assert told["langfuse.observation.level"] == "DEFAULT"
    assert "Who is there?" not in str(told)


async def test_the_gateway_records_the_generations_unless_the_service_is_told_to(
    provider: RunningProvider,
) -> None:
    for records in ("gateway", "service"):
        before = len(provider.seen.calls)
        async with traced(provider.url, langfuse_generations=records) as scene:
            assert await scene.ask() == 200
            found = await scene.told(2 if records == "service" else 1)
        said = provider.seen.calls[before].body["metadata"].get("langfuse_generations")
        assert (len(generations(found)), said) == (
            (1, "service") if records == "service" else (0, None)
        )


async def test_each_attempt_is_a_generation_with_its_usage_its_cost_and_its_level(
    provider: RunningProvider,
) -> None:
    async with traced(
        provider.url,
        langfuse_generations="service",
        llm_default_model="status-500",
        llm_fallback_models=("ok",),
    ) as scene:
        assert await scene.ask() == 200
        found = await scene.told(4)
    attempts = generations(found)
    levels = [span.attributes["langfuse.observation.level"] for span in attempts]
    assert levels == ["ERROR", "ERROR", "DEFAULT"]
    assert attempts[0].attributes["langfuse.observation.status_message"]
    answered = attempts[-1].attributes
    usage = json.loads(answered["langfuse.observation.usage_details"])
    assert usage.keys() == {"input", "output"}
    assert usage["input"] > 0
    assert json.loads(answered["langfuse.observation.input"]) == [
        {"role": "user", "content": "Who is there?"}
    ]
    assert answered["langfuse.observation.output"]
    assert {span.trace for span in found} == {found[0].trace}
    (call,) = [span for span in found if span not in attempts]
    assert len(call.attributes["langfuse.observation.metadata.attempts"]) == 3


async def test_a_stream_says_when_its_first_token_came(provider: RunningProvider) -> None:
    async with traced(provider.url, langfuse_generations="service") as scene:
        assert await scene.ask("/llm/stream") == 200
        found = await scene.told(2)
    (generation,) = generations(found)
    assert "T" in generation.attributes["langfuse.observation.completion_start_time"]
    assert {span.name for span in found} == {"llm.stream", "chat ok"}


async def test_an_abandoned_stream_keeps_the_tokens_so_far_and_says_they_are_estimated(
    provider: RunningProvider,
) -> None:
    async with traced(provider.url, langfuse_generations="service") as scene:
        body = {"prompt": "Hello", "model": "drip-100"}
        headers = {"X-Project-ID": "demo"}
        url = scene.service.url + "/llm/stream"
        async with scene.service.http.post(url, json=body, headers=headers) as response:
            count = 0
            async for event in events_of(response):
                assert isinstance(event, Event)
                count += 1
                if count == 6:
                    break
        found = await scene.told(2)
    (generation,) = generations(found)
    assert json.loads(generation.attributes["langfuse.observation.usage_details"])["output"] >= 4
    assert generation.attributes["langfuse.observation.metadata.usage_is_estimated"] is True
    assert generation.attributes["langfuse.observation.level"] == "ERROR"
    assert generation.attributes["langfuse.observation.metadata.outcome"] == "cancelled"


async def test_without_content_no_word_of_it_is_told_and_no_word_of_a_provider(
    provider: RunningProvider,
) -> None:
    async with traced(
        provider.url,
        langfuse_generations="service",
        langfuse_capture_content=False,
        llm_default_model="status-400",
    ) as scene:
        assert await scene.ask() == 400
        found = await scene.told(2)
        assert await scene.ask(model="ok") == 200
        found = await scene.told(4)
    for span in found:
        assert "Who is there" not in str(span.attributes)
        assert "langfuse.observation.input" not in span.attributes
        assert "langfuse.observation.output" not in span.attributes
    failed = generations(found)[0].attributes["langfuse.observation.status_message"]
    assert failed == "prompt_rejected"


async def test_a_key_that_a_gateway_quotes_is_in_no_trace() -> None:
    key = "the-gateway-key-of-a-test"

    async def refuse(request: web.Request) -> web.Response:
        quoted = f"Invalid proxy server token passed: {request.headers['Authorization']}"
        error = {"message": quoted, "type": "token_not_found_in_db", "code": "401"}
        return web.json_response({"error": error}, status=401)

    async with answering_completions(refuse) as url:
        async with traced(url, llm_gateway_api_key=SecretStr(key)) as scene:
            assert await scene.ask() == 502
            (call,) = await scene.told(1)
    why = call.attributes["langfuse.observation.status_message"]
    assert "Invalid proxy server token passed" in why
    assert key not in why


@pytest.mark.parametrize("trouble", ["gone", "slow", "500", "401", "html"])
async def test_whatever_langfuse_does_no_call_fails_and_it_gets_what_it_takes_later(
    provider: RunningProvider, trouble: str
) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if trouble == "slow":
            await asyncio.sleep(30)
        return web.Response(status={"500": 500, "401": 401}.get(trouble, 200), text="<html>")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with listening(app) as url:
        host = f"http://127.0.0.1:{free_port()}" if trouble == "gone" else url
        async with traced(provider.url, langfuse_host=host) as scene:
            async with asyncio.timeout(20):
                statuses = await asyncio.gather(*(scene.ask() for _ in range(30)))
            assert statuses == [200] * 30
            await asyncio.sleep(1.2)
            assert asked <= 2


async def test_a_collector_gets_the_names_of_the_conventions_and_no_text(
    provider: RunningProvider,
) -> None:
    async with traced(provider.url) as scene:
        assert await scene.ask(temperature=0.5, max_tokens=7) == 200
        found = await scene.collector.waited_for(lambda _: True, 2)
    call, attempt = found
    assert (call.name, attempt.name) == ("llm.complete", "chat ok")
    told = attempt.attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "ok"
    assert (told["gen_ai.request.max_tokens"], told["gen_ai.request.temperature"]) == (7, 0.5)
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["gen_ai.usage.input_tokens"] > 0
    assert call.resource["service.name"] == NAME
    assert "Who is there" not in str(found)


@pytest.mark.parametrize(
    "off", [{"otel_enabled": False}, {"otel_traces_enabled": False}, {"otel_trace_sample_rate": 0}]
)
async def test_a_collector_gets_nothing_when_that_is_said(
    provider: RunningProvider, off: dict[str, Any]
) -> None:
    async with traced(provider.url, **off) as scene:
        assert await scene.ask() == 200
        await scene.told(1)
        assert scene.collector.spans == []


class Receiver(TraceServiceServicer):  # type: ignore[misc]
    """A collector's gRPC side."""

    def __init__(self) -> None:
        self.taken: list[Span] = []
        self.metadata: dict[str, str] = {}

    async def Export(self, request: ExportTraceServiceRequest, context: Any) -> Any:  # noqa: N802
        self.taken += spans(request.SerializeToString())
        self.metadata = dict(context.invocation_metadata())
        return ExportTraceServiceResponse()


async def test_a_collector_may_be_reached_by_grpc_with_its_headers(
    provider: RunningProvider,
) -> None:
    receiver, server = Receiver(), grpc_server()
    add_TraceServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with traced(
            provider.url,
            otel_exporter_otlp_endpoint=f"http://127.0.0.1:{port}",
            otel_exporter_otlp_protocol="grpc",
            otel_exporter_otlp_headers=SecretStr("X-Scope-OrgID=acme,x-note=a%20b"),
            otel_service_name="answers",
        ) as scene:
            assert await scene.ask() == 200
            for _ in range(50):
                if receiver.taken:
                    break
                await asyncio.sleep(0.1)
    finally:
        await server.stop(0)
    assert [span.name for span in receiver.taken] == ["llm.complete", "chat ok"]
    assert receiver.taken[0].resource["service.name"] == "answers"
    assert receiver.metadata["x-scope-orgid"] == "acme"
    assert receiver.metadata["x-note"] == "a b"


class Refusing(TraceServiceServicer):  # type: ignore[misc]
    """A collector that quotes what it does not take."""

    async def Export(self, _: ExportTraceServiceRequest, context: Any) -> Any:  # noqa: N802
        given = dict(context.invocation_metadata())
        token, team = given["authorization"].removeprefix("Bearer "), given["x-team"]
        await context.abort(StatusCode.UNAUTHENTICATED, f"nobody knows {token} of {team}")


async def test_a_header_that_a_collector_quotes_is_in_no_line_of_the_log(
    provider: RunningProvider,
) -> None:
    server = grpc_server()
    add_TraceServiceServicer_to_server(Refusing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    before = len(said("api.log"))
    try:
        async with traced(
            provider.url,
            otel_exporter_otlp_endpoint=f"http://127.0.0.1:{port}",
            otel_exporter_otlp_protocol="grpc",
            otel_exporter_otlp_headers=SecretStr(
                "authorization=Bearer%20collectors-own,x-team=our-team"
            ),
        ) as scene:
            assert await scene.ask() == 200
            for _ in range(50):
                if "traces_not_taken" in said("api.log")[before:]:
                    break
                await asyncio.sleep(0.1)
    finally:
        await server.stop(0)
    log = said("api.log")[before:]
    assert "nobody knows" in log
    assert "collectors-own" not in log
    assert "our-team" not in log


async def test_what_is_queued_is_sent_at_the_end_and_the_collectors_key_to_the_collector_alone(
    provider: RunningProvider, tmp_path: Path
) -> None:
    seen: dict[str, Mapping[str, str]] = {}

    async def take(request: web.Request) -> web.Response:
        seen[request.path] = request.headers
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    async with listening(app) as url:
        env = {
            "PATH": os.environ["PATH"],
            "AUTH_MODE": "disabled",
            "LLM_GATEWAY_URL": provider.url,
            "LLM_GATEWAY_API_KEY": marked("process"),
            "LLM_DEFAULT_MODEL": "ok",
            "PORT": "0",
            "LANGFUSE_HOST": url,
            "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_SECRET_KEY": SECRET_KEY,
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_HEADERS": "X-Collector=of-the-collector",
            "HTTP_PROXY": "http://127.0.0.1:9",
        }
        async with running_api(tmp_path, env) as api:
            assert await api.asks() == 200
            assert await api.ends_on(signal.SIGTERM) == 0
    assert seen.keys() == {"/api/public/otel/v1/traces", "/v1/traces"}
    to_langfuse, to_collector = seen["/api/public/otel/v1/traces"], seen["/v1/traces"]
    assert to_langfuse["Authorization"].startswith("Basic ")
    assert "X-Collector" not in to_langfuse
    assert to_collector["X-Collector"] == "of-the-collector"
    assert "Authorization" not in to_collector


async def test_the_stream_of_a_traced_call_is_read_as_any_other(provider: RunningProvider) -> None:
    async with traced(provider.url, langfuse_generations="service") as scene:
        async with scene.service.post("/llm/stream", prompt="Hello") as response:
            events = await read_stream(response)
    assert events[-1].name == "done"
