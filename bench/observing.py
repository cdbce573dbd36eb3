"""`python -m bench.observing`: what it costs to watch calls, per call and per streamed chunk.

The service helper alone, in this process, with and without its watchers, by turns; what is compared
is its processor time. Exit code 1: watching costs more than 10 % of the bare helper or, with one
export of traces, more than 25 %; the last row has two.
"""

import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from api.__main__ import keep_garbage_collection_rare
from api.gateway.attribution import Solution
from api.gateway.peer import Gateway
from api.gateway.wire_client import WireClient
from api.langfuse.opened import opened as langfuse
from api.llm.client import Deltas, Llm
from api.llm.observers import CallObserver
from api.settings import Settings
from api.telemetry.call_metrics import CallMetrics
from api.telemetry.export import opened as collector
from bench.fake_gateway import MODEL
from bench.process import cores, on_core, start, stop
from bench.targets import ANSWER_WORDS
from chassis.logs import configure_logs
from chassis.project_id import ProjectId
from chassis.telemetry.export import SpanExport
from local.run.ports import free_port

ROUNDS, CALLS, STREAMS, CHUNKS = 40, 250, 10, 2000
BARE, METRICS = "bare", "metrics"
MOST = {METRICS: 1.10, "Langfuse": 1.25, "collector": 1.25}
BENCH: Any = {"project_id": ProjectId("bench"), "solution": Solution("bench")}

Turn = Callable[[Llm, Sequence[CallObserver]], Awaitable[float]]


@asynccontextmanager
async def watchers(settings: Settings) -> AsyncGenerator[dict[str, Sequence[CallObserver]]]:
    """Who watches, by the name in the table; traces go to where the gateway is."""
    metrics = CallMetrics(CollectorRegistry(), [MODEL])
    async with AsyncExitStack() as stack:
        to_langfuse = await stack.enter_async_context(langfuse(settings, "bench"))
        to_collector = await stack.enter_async_context(collector(settings, "bench"))
        yield {
            BARE: (),
            METRICS: (metrics,),
            "Langfuse": (to_langfuse,),
            "collector": (to_collector,),
            "all three": (metrics, to_langfuse, to_collector),
        }


def send(exports: Sequence[CallObserver]) -> None:
    """What was queued is sent within the turn that queued it."""
    for export in exports:
        if isinstance(export, SpanExport):
            export.flush()
            assert not export.dropped


async def whole(llm: Llm, watching: Sequence[CallObserver]) -> float:
    """Microseconds of a call."""
    began = time.process_time()
    for _ in range(CALLS):
        answer = await llm.complete(f"Say {ANSWER_WORDS} words.", **BENCH)
        assert answer.status == "complete"
    send(watching)
    return (time.process_time() - began) / CALLS * 1e6


async def streamed(llm: Llm, watching: Sequence[CallObserver]) -> float:
    """Microseconds of a chunk."""
    began = time.process_time()
    for _ in range(STREAMS):
        pieces = 0
        async for event in llm.stream(f"Say {CHUNKS} words.", **BENCH):
            if isinstance(event, Deltas):
                pieces += len(event.texts)
        assert pieces == CHUNKS
    send(watching)
    return (time.process_time() - began) / STREAMS / CHUNKS * 1e6


def settings_for(port: int) -> Settings:
    here = f"http://127.0.0.1:{port}"
    given: dict[str, Any] = {"llm_gateway_api_key": SecretStr("sk-bench")}
    given |= {"langfuse_host": here, "otel_exporter_otlp_endpoint": here}
    given |= {f"langfuse_{kind}_key": SecretStr("lf-bench") for kind in ("public", "secret")}
    return Settings(
        **given, llm_gateway_url=f"{here}/v1", llm_default_model=MODEL, auth_mode="disabled"
    )


async def measure(port: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds by what was done and who watched, after a round that does not count."""
    turns: dict[str, Turn] = {"call": whole, "streamed chunk": streamed}
    settings = settings_for(port)
    async with (
        Gateway(settings.llm_gateway_url, settings.gateway_key()) as gateway,
        watchers(settings) as watching,
    ):
        client = WireClient(gateway)
        llms = {
            name: Llm(client, settings, gateway.is_ready, those) for name, those in watching.items()
        }
        found: dict[str, dict[str, list[float]]] = {
            what: {name: [] for name in llms} for what in turns
        }
        for number in range(ROUNDS + 1):
            for what, turn in turns.items():
                for name in llms if number % 2 else reversed(llms):
                    microseconds = await turn(llms[name], watching[name])
                    if number:
                        found[what][name].append(microseconds)
        return found


def report(found: dict[str, dict[str, list[float]]]) -> bool:
    """Prints the table; whether every goal is met."""
    met = True
    print("| per | watched by | us of CPU | more than bare |")
    print("| --- | --- | ---: | ---: |")
    for what, by_watcher in found.items():
        bare = undisturbed(by_watcher[BARE])
        for name, values in by_watcher.items():
            taken = undisturbed(values)
            met = met and taken <= bare * MOST.get(name, inf)
            print(f"| {what} | {name} | {taken:.2f} | {taken / bare - 1:+.1%} |")
    goals = ", ".join(f"{name} {most - 1:.0%}" for name, most in MOST.items())
    print(f"\nthe goal, at the most {goals}: {'met' if met else 'missed'}")
    return met


def undisturbed(values: list[float]) -> float:
    """The lower quartile: a neighbour on the machine only ever adds."""
    return quantiles(values, n=4)[0]


def main() -> int:
    service_core, other_core = cores()
    port = free_port()
    logs = Path(".run/bench-observing")
    logs.mkdir(parents=True, exist_ok=True)
    gateway = start(
        (sys.executable, "-m", "bench.fake_gateway", str(port)),
        env=dict(os.environ),
        port=port,
        live="/health/readiness",
        core=other_core,
        log=logs / "gateway.log",
    )
    try:
        with Path(os.devnull).open("w") as nowhere, on_core(service_core):
            configure_logs("INFO", nowhere)
            keep_garbage_collection_rare()
            found = uvloop.run(measure(port))
    finally:
        stop(gateway.process)
    return int(not report(found))


if __name__ == "__main__":
    sys.exit(main())
