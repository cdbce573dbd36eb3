"""An agent in one file: it asks a model through the LLM gateway and calls tools through the tool
gateway, both on the account of one project and in one trace. It prints each of its steps.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, Tool

MOST_STEPS = 8
RULES = """You solve a task with tools. Reply with one JSON object and nothing else:
{"tool": "<name>", "arguments": {…}} to call a tool, whose result you are told next, or
{"answer": "<text>"} when you know the answer. These are the tools:
"""
SCRIPT: list[dict[str, Any]] = [
    {"tool": "hello_world", "arguments": {}},
    {"tool": "llm_complete", "arguments": {"prompt": "{task}", "max_tokens": 200}},
]

Messages = list[dict[str, str]]
Ask = Callable[[Messages], Awaitable[str]]
Decide = Callable[[Messages], Awaitable[dict[str, Any]]]


def model_decides(ask: Ask, tools: list[Tool]) -> Decide:
    """Each step is what the model says; words that are no step are its answer."""
    known = [{"name": x.name, "about": x.description, "arguments": x.input_schema} for x in tools]
    rules = {"role": "system", "content": RULES + json.dumps(known)}

    async def decide(messages: Messages) -> dict[str, Any]:
        said = await ask([rules, *messages])
        messages.append({"role": "assistant", "content": said})
        return step_in(said)

    return decide


def script_decides(ask: Ask, tools: list[Tool], task: str) -> Decide:
    """The steps of the script whose tools are there; the answer is still the model's."""
    there = {tool.name for tool in tools}
    steps = [step for step in SCRIPT if step["tool"] in there]

    async def decide(messages: Messages) -> dict[str, Any]:
        if not steps:
            return {"answer": await ask(messages[:1])}
        step = steps.pop(0)
        given = {k: task if v == "{task}" else v for k, v in step["arguments"].items()}
        return {"tool": step["tool"], "arguments": given}

    return decide


def step_in(said: str) -> dict[str, Any]:
    """The first JSON object in these words, if it is a step."""
    begin = max(said.find("{"), 0)
    try:
        step, _ = json.JSONDecoder().raw_decode(said[begin:])
    except ValueError:
        step = None
    if isinstance(step, dict) and ("answer" in step or isinstance(step.get("tool"), str)):
        return step
    return {"answer": said}


async def called(tools: Client, step: dict[str, Any]) -> str:
    """What the tool says, or why it says nothing: the agent may try something else then."""
    try:
        result = await tools.call_tool(step["tool"], step.get("arguments") or {})
    except MCPError as error:
        return f"refused: {error}"
    texts = [each.text for each in result.content if isinstance(each, TextContent)]
    return ("failed: " if result.is_error else "") + "\n".join(texts)


async def run(options: argparse.Namespace, headers: dict[str, str]) -> str:
    """The answer to the task.

    Raises:
        RuntimeError: there is none; says why.
    """
    session = secrets.token_hex(8)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90) as http,
        Client(streamable_http_client(options.tools, http_client=http)) as tools,
    ):

        async def ask(messages: Messages) -> str:
            body: dict[str, Any] = {"messages": messages, "session_id": session}
            if options.model:
                body["model"] = options.model
            reply = await http.post(f"{options.llm}/llm/complete", json=body)
            said = reply.json()
            if reply.status_code != 200:
                raise RuntimeError(f"{said['code']}: {said['detail']}")
            return str(said["text"])

        offered = (await tools.list_tools()).tools
        print("tools  ", ", ".join(tool.name for tool in offered))
        decide = (
            model_decides(ask, offered)
            if options.model
            else script_decides(ask, offered, options.task)
        )
        messages = [{"role": "user", "content": options.task}]
        for _ in range(MOST_STEPS):
            step = await decide(messages)
            if "answer" in step:
                return str(step["answer"])
            print("call   ", step["tool"], json.dumps(step.get("arguments") or {}))
            result = await called(tools, step)
            print("result ", result)
            messages.append({"role": "user", "content": f"The tool's result:\n{result}"})
    raise RuntimeError(f"no answer after {MOST_STEPS} steps")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("--model", help="an alias that decides; without it a script does")
    parser.add_argument("--project", default="demo", help="on whose account")
    parser.add_argument("--llm", default="http://127.0.0.1:8000", help="the service for LLM access")
    parser.add_argument("--tools", default="http://127.0.0.1:8004/mcp", help="the tool gateway")
    options = parser.parse_args()
    trace = secrets.token_hex(16)
    headers = {
        "X-Project-ID": options.project,
        "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01",
    }
    if token := os.environ.get("AGENT_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    print("trace  ", trace)
    code = 0
    try:
        print("answer ", asyncio.run(run(options, headers)))
    except* (RuntimeError, MCPError, httpx2.HTTPError, ValueError) as failures:
        print("failed ", *reasons(failures), file=sys.stderr)
        code = 1
    return code


def reasons(error: BaseException) -> list[str]:
    """The client of MCP fails in groups of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for each in error.exceptions for reason in reasons(each)]
    return [str(error)]


if __name__ == "__main__":
    sys.exit(main())
