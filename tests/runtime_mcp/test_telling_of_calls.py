"""What an operator is told of tool calls: spans in the caller's trace, series of few labels."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from otlp import Collector, create_collector, waited_for
from running import listening
from tool_gateway import Gateway, agent, running_tool_gateway

CALLERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
async def gateway(tmp_path: Path, collector: Collector) -> AsyncIterator[Gateway]:
    async with listening(create_collector(collector)) as endpoint:
        async with running_tool_gateway(tmp_path, otel_exporter_otlp_endpoint=endpoint) as running:
            yield running


async def test_a_call_is_a_span_of_the_callers_trace_and_the_server_is_below_it(
    gateway: Gateway, collector: Collector
) -> None:
    async with agent(gateway, traceparent=CALLERS) as ada:
        await ada.call_tool("files.echo", {"text": "a secret"})
        await ada.call_tool("files.fails", {})
        for name in ("files.secret", "files.other"):
            with pytest.raises(MCPError):
                await ada.call_tool(name, {})
    found = await waited_for(collector.spans, lambda span: "tools/call" in span.name, 4)
    echo, fails, *denied = found
    assert {span.trace for span in found} == {CALLERS.split("-")[1]}
    assert {span.parent for span in found} == {CALLERS.split("-")[2]}
    assert echo.name == "tools/call files.echo"
    kept = ("gen_ai.tool.name", "project.id", "enduser.id", "organisation.id", "error.type")
    assert [echo.attributes.get(key) for key in kept] == [
        "files.echo", "demo", "ada", "acme", None
    ]  # fmt: skip
    assert fails.attributes["error.type"] == "tool_error"
    assert [(span.name, span.attributes["error.type"]) for span in denied] == [
        ("tools/call files.secret", "not_listed"),
        ("tools/call unknown", "not_listed"),
    ]
    assert all("a secret" not in str(span.attributes) for span in found)
    parents = [headers["traceparent"].split("-")[2] for _, headers in gateway.upstream.seen]
    assert parents == [echo.id, fails.id]


async def test_the_series_of_calls_have_the_tools_that_are_offered_and_no_others(
    gateway: Gateway, collector: Collector
) -> None:
    async with agent(gateway) as ada:
        await ada.call_tool("files.echo", {"text": "x"})
        for number in range(3):
            with pytest.raises(MCPError):
                await ada.call_tool(f"files.made-up-{number}", {})
    await waited_for(collector.spans, lambda _: True, 4)
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"{gateway.url}/metrics")).text
    assert 'mcp_tool_calls_total{outcome="succeeded",tool="files.echo"} 1.0' in text
    assert 'mcp_tool_calls_total{outcome="not_listed",tool="unknown"} 3.0' in text
    assert "made-up" not in text
    assert 'llm_traces_sent_total{receiver="collector"} 4.0' in text
