"""The agent of `examples/agent`, run as its README says, behind both gateways."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from records import rows_of
from running import ROOT, RunningGateway, Service, answering_completions, serving, settings_for
from runtime_mcp.settings import Settings
from tool_gateway import ADA, running_tool_gateway, written

TASK = "What is the capital of France?"


@dataclass(frozen=True)
class Ran:
    code: int
    lines: list[tuple[str, str]]
    err: str

    def all(self, kind: str) -> list[str]:
        return [said for each, said in self.lines if each == kind]


@dataclass(frozen=True)
class Agent:
    service: Service
    tools: str
    settings: Settings

    async def run(self, *words: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            ROOT / "examples" / "agent" / "agent.py",
            *("--llm", self.service.url, "--tools", f"{self.tools}/mcp", *words),
            env={"AGENT_TOKEN": ADA},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        lines = [line.partition(" ") for line in out.decode().splitlines()]
        return Ran(process.returncode or 0, [(a, b.strip()) for a, _, b in lines], err.decode())

    async def recorded(self, trace: str) -> list[tuple[str, str]]:
        """Of each event of this trace, its tool and how it went."""
        rows = await rows_of(self.settings.database_url.get_secret_value())
        return [
            (row["resource_id"], row["details"].get("status", row["phase"]))
            for row in rows
            if row["trace_id"] == trace
        ]


@asynccontextmanager
async def an_agent(folder: Path, service: Service) -> AsyncIterator[Agent]:
    tools = [{"tool": "hello_world"}, {"tool": "llm_complete"}, {"tool": "files.echo"}]
    allowlist = written(folder, "ada.yaml", {"agents": [{"name": "ada", "tools": tools}]})
    async with running_tool_gateway(
        folder, allowlist_file=allowlist, llm_service_url=service.url
    ) as gateway:
        yield Agent(service, gateway.url, gateway.settings)


async def test_with_the_local_model_a_script_chooses_and_the_model_answers(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    settings = settings_for(gateway.url, llm_default_model="gemini-3.5-flash")
    async with serving(settings) as service, an_agent(tmp_path, service) as agent:
        ran = await agent.run(TASK)
        assert ran.code == 0, ran.err
        (trace,) = ran.all("trace")
        recorded = await agent.recorded(trace)
    assert ran.all("tools") == ["files.echo, hello_world, llm_complete"]
    assert [call.partition(" ")[0] for call in ran.all("call")] == ["hello_world", "llm_complete"]
    greeting, completion = ran.all("result")
    assert greeting == "Hello, ada!"
    assert "Paris" in completion
    assert "Paris" in ran.all("answer")[0]
    assert recorded == [
        ("hello_world", "intent"),
        ("hello_world", "succeeded"),
        ("llm_complete", "intent"),
        ("llm_complete", "succeeded"),
    ]


class Model:
    """A gateway whose model says these words, one at each turn."""

    def __init__(self, *says: str) -> None:
        self._says = list(says)
        self.asked: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        message = {"role": "assistant", "content": self._says.pop(0)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"object": "chat.completion", "choices": [choice]})


async def test_a_model_chooses_tools_and_is_told_what_they_say(tmp_path: Path) -> None:
    model = Model(
        'I will look. {"tool": "files.secret", "arguments": {"text": "x"}}',
        '{"tool": "files.echo", "arguments": {"text": "a word"}}',
        '{"answer": "It said a word."}',
    )
    async with (
        answering_completions(model.answer) as url,
        serving(settings_for(url)) as service,
        an_agent(tmp_path, service) as agent,
    ):
        ran = await agent.run("--model", "ok", "--project", "words", TASK)
        assert ran.code == 0, ran.err
        recorded = await agent.recorded(ran.all("trace")[0])
    assert ran.all("result") == ["refused: Unknown tool: files.secret", "a word"]
    assert ran.all("answer") == ["It said a word."]
    assert recorded == [
        ("files.secret", "denied"),
        ("files.echo", "intent"),
        ("files.echo", "succeeded"),
    ]
    rules, task = model.asked[0]["messages"]
    assert "files.echo" in rules["content"]
    assert task["content"] == TASK
    assert "a word" in json.dumps(model.asked[2]["messages"][-1])
    metadata = {(x["metadata"]["project_id"], x["metadata"]["trace_id"]) for x in model.asked}
    assert metadata == {("words", ran.all("trace")[0])}


async def test_what_ends_a_run_is_one_line(tmp_path: Path) -> None:
    endless = Model(*['{"tool": "hello_world"}'] * 8)
    async with (
        answering_completions(endless.answer) as url,
        serving(settings_for(url)) as service,
        an_agent(tmp_path, service) as agent,
    ):
        ran = await agent.run("--model", "ok", TASK)
        assert (ran.code, ran.err) == (1, "failed  no answer after 8 steps\n")
        assert len(ran.all("call")) == 8
        ran = await agent.run("--model", "ok", "--project", "no/project", TASK)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1, ran.err
