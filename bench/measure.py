"""One run: starts in shuffled order, then rounds in which every target takes a turn, shuffled too.

All targets live through the whole run: what a neighbour takes from the machine, it takes from all.
"""

import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from bench.load import Ask, Window, closed_loop, one_after_another
from bench.process import Started, cores, on_core, rss_mb, start, stop, wait_until_idle
from bench.targets import ANSWER_WORDS, Target, direct, lane, snippet
from local.run.ports import free_port


@dataclass(frozen=True)
class Plan:
    """How much of everything; `seconds` is the length of one measurement."""

    rounds: int
    starts: int
    seconds: float
    callers: int = 50
    chunks: int = 2000


FULL = Plan(rounds=4, starts=3, seconds=3.0)
QUICK = Plan(rounds=1, starts=2, seconds=1.5)


@dataclass
class Result:
    """What one target showed: one entry per start or per round. Memory in MB (10^6 bytes)."""

    live_seconds: list[float] = field(default_factory=list)
    live_mb: list[float] = field(default_factory=list)
    idle_mb: list[float] = field(default_factory=list)
    loaded_mb: list[float] = field(default_factory=list)
    requests_per_second: list[float] = field(default_factory=list)
    request_ms: list[float] = field(default_factory=list)
    request_cpu_us: list[float] = field(default_factory=list)
    chunks_per_second: list[float] = field(default_factory=list)
    chunk_cpu_us: list[float] = field(default_factory=list)

    def add_requests(self, window: Window) -> None:
        self.requests_per_second.append(window.answers / window.seconds)
        self.request_ms.append(median(window.latencies) * 1e3)
        self.request_cpu_us.append(window.cpu_seconds / window.answers * 1e6)

    def add_streams(self, window: Window, chunks: int) -> None:
        self.chunks_per_second.append(window.answers * chunks / window.seconds)
        self.chunk_cpu_us.append(window.cpu_seconds / window.answers / chunks * 1e6)


class Run:
    """The processes of one run, and what they showed so far."""

    def __init__(self, plan: Plan, logs: Path) -> None:
        self.plan = plan
        self.logs = logs
        gateway = free_port()
        self.gateway = direct(gateway)
        self.services = [snippet(free_port(), gateway)]
        self.services += [lane(name, free_port(), gateway) for name in ("wire", "litellm")]
        self.running: dict[str, Started] = {}
        self.results = {target.name: Result() for target in [self.gateway, *self.services]}

    def measure(self) -> dict[str, Result]:
        """Carries out the plan; raises StartError or WrongAnswerError. Leaves no process behind."""
        service_core, other_core = cores()
        try:
            with on_core(other_core):
                self.start(self.gateway, other_core)
                self.start_services(service_core)
                uvloop.run(self.take_turns())
            for name, started in self.running.items():
                self.results[name].loaded_mb.append(rss_mb(started.process.pid))
        finally:
            for started in self.running.values():
                stop(started.process)
        return self.results

    def start_services(self, core: int | None) -> None:
        for number in range(1, self.plan.starts + 1):
            for service in random.sample(self.services, len(self.services)):
                say(f"start {number} of {self.plan.starts}: {service.name}")
                self.start(service, core)
                if number < self.plan.starts:
                    stop(self.running.pop(service.name).process)

    def start(self, target: Target, core: int | None) -> None:
        log = self.logs / f"{target.name}.log"
        started = start(
            target.command, env=target.env, port=target.port, live=target.live, core=core, log=log
        )
        self.running[target.name] = started
        wait_until_idle(started.process.pid)
        result = self.results[target.name]
        result.live_seconds.append(started.seconds_to_live)
        result.live_mb.append(started.rss_mb)
        result.idle_mb.append(rss_mb(started.process.pid))

    async def take_turns(self) -> None:
        targets = [self.gateway, *self.services]
        for target in targets:
            say(f"first calls: {target.name}")
            await one_after_another(self.whole(target), seconds=0)
            await one_after_another(self.streamed(target), seconds=0)
        for number in range(1, self.plan.rounds + 1):
            for target in random.sample(targets, len(targets)):
                say(f"round {number} of {self.plan.rounds}: {target.name}")
                await self.turn(target)

    async def turn(self, target: Target) -> None:
        plan, result = self.plan, self.results[target.name]
        requests = await closed_loop(self.whole(target), callers=plan.callers, seconds=plan.seconds)
        result.add_requests(requests)
        streams = await one_after_another(self.streamed(target), seconds=plan.seconds)
        result.add_streams(streams, plan.chunks)

    def whole(self, target: Target) -> Ask:
        pid = self.running[target.name].process.pid
        request = target.request(ANSWER_WORDS, stream=False)
        return Ask(target.name, target.port, pid, request, target.wrong_answer)

    def streamed(self, target: Target) -> Ask:
        pid, count = self.running[target.name].process.pid, self.plan.chunks
        request = target.request(count, stream=True)
        return Ask(target.name, target.port, pid, request, target.wrong_stream(count))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
