"""Calls of every kind on several projects, and what their callers were told of the cost."""

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.usage.ledger import BookedMonth, BookedRow
from asking import Caller
from policy.ledgers.usage import MEASURES
from reconciliation import differences, unattributed
from running import ROOT

PROJECTS = ("alpha", "beta", "gamma", "delta", "epsilon")
IN_FLIGHT = 16
BYTES_UNTIL_LEFT = 900

KINDS = (
    ("priced", False, 1),
    ("cheap", True, 1),
    ("ok", False, 1),
    ("second-answers", False, 2),
    ("cheap", False, 1),
    ("status-500", False, 1),
    ("priced", True, 1),
    ("cut-priced", True, 1),
    ("second-answers", True, 2),
    ("drip-priced", True, 1),
)
"""The model, whether it is streamed, and how many attempts it takes. Of the last one the reader
leaves; `ok` has no price, and `cheap` one that no floating point number is equal to."""


@dataclass
class Run:
    """
    Attributes:
        receipts: an answer each, see `costs_told`.
        attempts: that the gateway has to book, by project.
    """

    receipts: list[str] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)

    def told(self, project: str, cost: str | None) -> None:
        self.receipts.append(f'{{"project_id": "{project}", "cost_usd": {cost or "null"}}}')


async def mixed_calls(caller: Caller, count: int, run: str) -> Run:
    """
    Args:
        run: a word of this run for its projects.
    """
    made, room = Run(), asyncio.Semaphore(IN_FLIGHT)

    async def call(number: int) -> None:
        model, stream, attempts = KINDS[number % len(KINDS)]
        project = f"{run}-{PROJECTS[number // len(KINDS) % len(PROJECTS)]}"
        made.attempts[project] += attempts
        async with room:
            if model == "drip-priced":
                await leave(caller, model, project)
                made.told(project, None)
            elif stream:
                made.told(project, await cost_of_stream(caller, model, project))
            else:
                said = await caller.ask(model, project)
                assert said.status == (500 if model == "status-500" else 200), said.text
                made.told(project, said.headers.get("x-litellm-response-cost"))

    await asyncio.gather(*map(call, range(count)))
    return made


async def leave(caller: Caller, model: str, project: str) -> None:
    async with caller.opened(model, project) as response:
        assert response.status == 200
        await response.content.readexactly(BYTES_UNTIL_LEFT)
        response.close()


async def cost_of_stream(caller: Caller, model: str, project: str) -> str | None:
    """The cost in the last chunk, as it is written there; None where it was cut, at any moment."""
    usage = {"stream_options": {"include_usage": True}}
    said = await caller.ask(model, project, stream=True, **usage)
    assert said.status == 200 or (said.status, model) == (500, "cut-priced"), said.text
    chunks = [line.removeprefix("data: ") for line in said.text.splitlines() if '"cost"' in line]
    costs = [json.loads(chunk, parse_float=str)["usage"]["cost"] for chunk in chunks]
    assert len(costs) == (0 if model == "cut-priced" else 1), said.text
    return str(costs[0]) if costs else None


async def booked(caller: Caller, attempts: Counter[str]) -> list[dict[str, Any]]:
    """This run's rows, once every attempt is in them: LiteLLM books after the answer is out."""
    for _ in range(150):
        rows = (await caller.usage()).json["rows"]
        mine = [row for row in rows if row["project_id"] in attempts]
        calls = Counter[str]()
        for row in mine:
            calls[row["project_id"]] += row["calls"]
        if calls == attempts:
            return mine
        await asyncio.sleep(0.1)
    raise AssertionError(f"booked {calls}, and not {attempts}")


async def cost(caller: Caller, *arguments: str) -> tuple[int | None, str, str]:
    """The command's exit code, and what it said on stdout and on stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "cost", *arguments),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "AUTH_MODE": "disabled",
            "LLM_GATEWAY_URL": caller.url,
            "LLM_GATEWAY_API_KEY": caller.key,
            "COLUMNS": "120",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


async def booked_month(caller: Caller) -> list[BookedRow]:
    """Every row of this month, as the command says it."""
    code, out, err = await cost(caller, "--json")
    assert (code, err) == (0, "")
    return msgspec.json.decode(out, type=BookedMonth).rows


async def assert_reconciled(caller: Caller, count: int, run: str) -> None:
    """Makes the calls, and compares what was told with what was booked."""
    before = await booked_month(caller)
    made = await mixed_calls(caller, count, run)
    rows = await booked(caller, made.attempts)
    after = await booked_month(caller)
    assert differences(made.receipts, before, after) == []
    assert unattributed(after) == unattributed(before)

    sums = Counter[str]()
    for row in rows:
        sums.update({name: row[name] for name in MEASURES if name in row})
    each = count // len(KINDS)
    assert sums["calls"] == 12 * each
    assert (sums["answered"], sums["failed"], sums["aborted"]) == (7 * each, 4 * each, each)
    assert sums["unpriced"] == each
    assert each <= sums["estimated"] <= 2 * each, "a stream may be cut before its first word"
    assert differences(made.receipts[1:], before, after), "a receipt that is missing is found"
