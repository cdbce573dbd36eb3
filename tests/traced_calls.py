"""Calls of every kind through the service, and whether what Langfuse was told of them adds up."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

import langfuse_stand_in
from conftest import RunningProvider
from langfuse_stand_in import PUBLIC_KEY, SECRET_KEY, Langfuse
from otlp import Span
from reading import Event, events_of
from running import (
    ROOT,
    RunningGateway,
    Service,
    listening,
    running_gateway,
    serving_alone,
    settings_for,
)

PROJECTS = ("alpha", "beta", "gamma")
IN_FLIGHT = 8
KINDS = (
    ("priced", False),
    ("cheap", True),
    ("ok", False),
    ("second-answers", False),
    ("unlisted", False),
    ("priced", True),
    ("cut-priced", True),
    ("status-500", False),
    ("second-answers", True),
    ("drip-priced", True),
)
"""The model, and whether it is streamed. Of the last one the reader leaves; for `status-500` the
fallback answers, and for `second-answers` the alias's second provider."""
CALLS_TO_WARM_UP = 2
PRICED = {"priced", "cheap", "second-answers"}
"""Those that answer and have a price: an answer of theirs has a cost, one of `ok` has none."""
PROVIDERS_ASKED = {"second-answers": 2}
TYPE = "langfuse.observation.type"
COST = "langfuse.observation.cost_details"


@dataclass
class Told:
    """What the caller of one call was told; of a call that he left, what is known of it."""

    project: str
    trace: str
    cost: Decimal | None
    attempts: list[str]
    answered: str | None = None
    """The alias that answered, if one did."""
    said: dict[str, Any] = field(default_factory=dict)
    """The whole of it, for the message of a test that fails."""


@dataclass
class Traced:
    gateway: RunningGateway
    langfuse: Langfuse
    url: str


@dataclass
class Run:
    told: list[Told] = field(default_factory=list)


@asynccontextmanager
async def traced_gateway(provider: RunningProvider) -> AsyncIterator[Traced]:
    """A gateway that records generations in a Langfuse."""
    langfuse = Langfuse()
    overlay = ROOT / "tests" / "policy_overlay.yaml"
    async with listening(langfuse_stand_in.create_app(langfuse)) as url:
        settings = langfuse_stand_in.settings(url)
        async with running_gateway(provider.url, overlay, **settings) as gateway:
            await until(langfuse, CALLS_TO_WARM_UP)
            yield Traced(gateway, langfuse, url)


async def assert_traces_add_up(traced: Traced, count: int, *, lane: str, records: str) -> None:
    """Makes so many calls, and looks at all that Langfuse was told of them.

    Args:
        lane: `LLM_CLIENT`.
        records: `LANGFUSE_GENERATIONS`.
    """
    traced.langfuse.spans.clear()
    settings = settings_for(
        traced.gateway.url,
        traced.gateway.key,
        llm_client=lane,
        llm_fallback_models=("ok",),
        langfuse_host=traced.url,
        langfuse_public_key=SecretStr(PUBLIC_KEY),
        langfuse_secret_key=SecretStr(SECRET_KEY),
        langfuse_generations=records,
    )
    async with serving_alone(settings) as service:
        run = await calls(service, count)
        wanted = sum(len(asked(told, records)) + 1 for told in run.told)
        await until(traced.langfuse, wanted)
    by_trace: dict[str, list[Span]] = {}
    for span in traced.langfuse.spans:
        by_trace.setdefault(span.trace, []).append(span)
    assert by_trace.keys() == {told.trace for told in run.told}, "one for each call"
    assert len(by_trace) == count
    for told in run.told:
        spans = by_trace[told.trace]
        kinds = Counter(span.attributes[TYPE] for span in spans)
        expected = Counter(span=1, generation=len(asked(told, records)))
        assert kinds == expected, (told, [(s.name, s.attributes.get(COST)) for s in spans])
        for span in spans:
            assert f"project:{told.project}" in span.attributes["langfuse.trace.tags"], told
        if told.cost is not None:
            assert cost_of(spans) == told.cost, told
        assert (told.cost is not None) == (told.answered in PRICED), told
    assert {told.answered for told in run.told if told.cost} == PRICED


def asked(told: Told, records: str) -> list[str]:
    """The generations that there have to be: the gateway asks the providers, we ask the gateway."""
    if records == "service":
        return told.attempts
    return [name for name in told.attempts for _ in range(PROVIDERS_ASKED.get(name, 1))]


def cost_of(spans: list[Span]) -> Decimal:
    """What the generations that have a cost say, to 12 digits after the point."""
    details = [json.loads(span.attributes[COST]) for span in spans if span.attributes.get(COST)]
    return rounded(sum(Decimal(repr(each.get("total") or 0.0)) for each in details))


def rounded(cost: Decimal | int) -> Decimal:
    return Decimal(cost).quantize(Decimal("1e-12"))


async def until(langfuse: Langfuse, count: int) -> None:
    """Waits for that many spans, and then for one too many."""
    for _ in range(600):
        if len(langfuse.spans) >= count:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)


async def calls(service: Service, count: int) -> Run:
    run, room = Run(), asyncio.Semaphore(IN_FLIGHT)

    async def call(number: int) -> None:
        model, streams = KINDS[number % len(KINDS)]
        project = PROJECTS[number // len(KINDS) % len(PROJECTS)]
        async with room:
            if not streams:
                run.told.append(await whole(service, project, model))
            else:
                leaves = model == "drip-priced"
                run.told.append(await streamed(service, project, model, leaves=leaves))

    await asyncio.gather(*map(call, range(count)))
    return run


async def whole(service: Service, project: str, model: str) -> Told:
    async with service.post("/llm/complete", project=project, prompt="Hello", model=model) as r:
        said = json.loads(await r.text(), parse_float=Decimal)
        assert (r.status == 200) is (model != "unlisted"), said
    return told_of(project, said)


async def streamed(service: Service, project: str, model: str, *, leaves: bool) -> Told:
    events: list[Event] = []
    async with service.post("/llm/stream", project=project, prompt="Hello", model=model) as r:
        if r.status != 200:
            return told_of(project, json.loads(await r.text(), parse_float=Decimal))
        async for event in events_of(r):
            assert isinstance(event, Event)
            events.append(event)
            if leaves and len(events) == 4:
                return Told(project, events[0].data["trace_id"], None, [model])
    return told_of(project, events[0].data | events[-1].data)


def told_of(project: str, said: dict[str, Any]) -> Told:
    cost = said.get("cost_usd")
    unasked = ("skipped", "model_not_allowed")
    made = [each["model"] for each in said["attempts"] if each["outcome"] not in unasked]
    known = None if cost is None else rounded(Decimal(str(cost)))
    return Told(project, said["trace_id"], known, made, said.get("model"), said)
