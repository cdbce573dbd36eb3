"""`make run`, booted once: the lines it prints work as they are, and Ctrl-C ends everything."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from api.gateway.chat_format import BOOKED_HEADER
from make_run import MASTER_KEY, PROVIDER_KEY, Run, pasted, processes_with


def test_it_says_who_answers_each_alias(run: Run) -> None:
    said = [" ".join(line.split()) for line in run.said]
    assert "claude-opus-4-8 the provider, as anthropic/claude-opus-4-8" in said
    assert "gemini-3.5-flash the local LLM (GEMINI_API_KEY not set)" in said
    assert "ollama/llama3.1 the local LLM (OLLAMA_API_BASE not set)" in said
    assert not [line for line in said if line.startswith("fail-")]
    assert [line for line in said if "fault models" in line and "README" in line]


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl to paste the lines for")
def test_the_lines_to_paste_for_the_api_work(run: Run) -> None:
    answer = json.loads(pasted(run.to_paste("/llm/complete")))
    assert "Paris" in answer["text"]
    assert answer["project_id"] == "demo"

    stream = pasted(run.to_paste("/llm/stream"))
    events = re.findall(r"^event: (\w+)$", stream, re.MULTILINE)
    assert (events[0], set(events[1:-1]), events[-1]) == ("meta", {"delta"}, "done")

    test = json.loads(pasted(run.to_paste("/llm/test")))
    assert [check for check in test["checks"] if not check["ok"]] == []
    (traces,) = [line for line in run.said if line.startswith("Traces: ")]
    assert test["trace_url"].startswith(traces.removeprefix("Traces: "))
    page = pasted(f"curl -s {test['trace_url']}")
    assert "project:demo" in page
    assert "openai/smollm2-135m-instruct" in page


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl to paste the line for")
def test_the_line_to_paste_for_the_gateway_lists_its_models(run: Run) -> None:
    assert f"Gateway: {run.gateway}, its key $LITELLM_MASTER_KEY" in run.said
    models = json.loads(pasted(run.to_paste("/v1/models")))["data"]
    assert {"claude-opus-4-8", "gemini-3.5-flash", "fail-503"} <= {each["id"] for each in models}


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl to paste the line for")
def test_the_line_to_paste_for_a_tool_is_answered_through_both_gateways_and_recorded(
    run: Run,
) -> None:
    said = pasted(run.to_paste("/mcp"))
    result = json.loads(said.removeprefix("event: message").strip().removeprefix("data: "))
    answer = result["result"]["structuredContent"]
    assert "Paris" in answer["text"]
    assert answer["project_id"] == "demo"
    (folder,) = (run.folder / ".run").iterdir()
    with closing(sqlite3.connect(folder / "audit.db")) as record:
        asked = "SELECT resource_id, phase FROM audit_events WHERE resource_type = 'tool'"
        assert record.execute(asked).fetchall() == [
            ("llm_complete", "intent"),
            ("llm_complete", "outcome"),
        ]


@pytest.mark.parametrize("name", ["LLM_GATEWAY_API_KEY", "LANGFUSE_SECRET_KEY"])
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux shows another's environment")
def test_the_tool_gateway_knows_no_secret_of_the_api(run: Run, name: str) -> None:
    (api,) = knowing(run, " -m api ")
    (tools,) = knowing(run, " -m runtime_mcp ")
    assert f"{name}=" in api
    assert f"{name}=" not in tools


def knowing(run: Run, words: str) -> list[str]:
    """The environments of the processes that are called so."""
    return [
        environment
        for command, environment in processes_with(str(run.folder)).items()
        if words in command and "die_with_parent" not in command
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_every_answer_of_the_gateway_says_on_whom_it_is_booked(
    run: Run, stream: bool
) -> None:
    body = {
        "model": "gemini-3.5-flash",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 5,
        "stream": stream,
        "metadata": {"project_id": "p-1", "solution": "not\r\nsafe: 1"},
    }
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{run.gateway}/chat/completions", json=body, headers=headers) as response,
    ):
        assert response.status == 200
        assert response.headers[BOOKED_HEADER] == "p-1"
        assert BOOKED_HEADER.replace("project-id", "solution") not in response.headers
        assert response.headers["x-litellm-model-name"] == "openai/smollm2-135m-instruct"
        assert "safe" not in response.headers
        await response.read()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux shows another's environment")
def test_only_the_proxy_knows_a_provider_key(run: Run) -> None:
    knowing = {
        command
        for command, environment in processes_with(str(run.folder)).items()
        if PROVIDER_KEY in environment and "local run" not in command
    }
    assert knowing
    assert all("litellm.proxy.proxy_cli" in command for command in knowing)
