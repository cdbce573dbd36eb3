"""`python -m bench.tool_calls`: what the tool gateway adds to a tool call, beside FastMCP's proxy.

The same call goes to the tool's server itself, through the gateway with its allowlist and its
record in SQLite, and through a proxy that has neither, by turns.
"""

import hashlib
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.request import urlopen

import uvloop
import yaml

from bench.load import Ask, closed_loop, one_after_another
from bench.process import Started, StartError, cores, on_core, start, stop
from bench.report import markdown
from local.run.ports import LOOPBACK, free_port

RUNS = Path(".run/bench-tools")
KEY = "a-key-of-the-bench"
SAID = "a word of the bench"
ROUNDS, SECONDS, CALLERS = 6, 2.0, 20
VERSION = "2026-07-28"


@dataclass
class Result:
    """Of one caller in seconds, all latencies and each round's median; of many, one per round."""

    latencies: list[float] = field(default_factory=list)
    middles: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


def ask(target: str, port: int, started: Started, tool: str) -> Ask:
    """One call as MCP 2026-07-28 has it: a single request, without a session."""
    name = "io.modelcontextprotocol"
    meta = {f"{name}/protocolVersion": VERSION, f"{name}/clientCapabilities": {}}
    params = {"name": tool, "arguments": {"text": SAID}, "_meta": meta}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    body = json.dumps(call).encode()
    head = [
        "POST /mcp HTTP/1.1",
        f"Host: {LOOPBACK}:{port}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"MCP-Protocol-Version: {VERSION}",
        "Mcp-Method: tools/call",
        f"Mcp-Name: {tool}",
        f"Authorization: Bearer {KEY}",
        "X-Project-ID: bench",
        f"Content-Length: {len(body)}",
    ]
    request = "\r\n".join([*head, "", ""]).encode() + body
    return Ask(target, port, started.process.pid, request, wrong)


def wrong(answer: bytes) -> str | None:
    return None if SAID.encode() in answer and b'"isError":false' in answer else "not its text"


def gateway_environment(port: int, upstream: str) -> dict[str, str]:
    """A gateway as it is deployed: keys, an allowlist, a record that is on the disk."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    files = {
        "ALLOWLIST_FILE": {"agents": [{"name": "bench", "tools": [{"tool": "up.echo"}]}]},
        "UPSTREAMS_FILE": {"servers": {"up": {"url": upstream}}},
        "AGENT_KEYS_FILE": {"agents": [{"name": "bench", "organisation": "o", "sha256": digest}]},
    }
    for name, content in files.items():
        (RUNS / f"{name}.yaml").write_text(yaml.safe_dump(content))
    record = RUNS / "audit.db"
    for file in RUNS.glob("audit.db*"):
        file.unlink()
    return (
        {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        | {name: str(RUNS / f"{name}.yaml") for name in files}
        | {"AUTH_MODE": "keys", "DATABASE_URL": f"sqlite:///{record}", "PORT": str(port)}
    )


def started_all(running: list[Started]) -> list[Ask]:
    """Starts the server, the gateway and the proxy; what is started is put to `running`."""
    core, other = cores()
    asks = []

    def one(name: str, command: list[str], env: dict[str, str], port: int, tool: str) -> None:
        log = RUNS / f"{name}.log"
        where = other if name == "direct" else core
        live = "/health"
        running.append(start(tuple(command), env=env, port=port, live=live, core=where, log=log))
        asks.append(ask(name, port, running[-1], tool))

    upstream, gateway, proxy = free_port(), free_port(), free_port()
    url = f"http://{LOOPBACK}:{upstream}/mcp"
    env = dict(os.environ)
    one("direct", [sys.executable, "-m", "bench.tool_server", str(upstream)], env, upstream, "echo")
    one(
        "gateway",
        [sys.executable, "-m", "runtime_mcp"],
        gateway_environment(gateway, url),
        gateway,
        "up.echo",
    )
    one("proxy", [sys.executable, "bench/fastmcp_proxy.py", str(proxy), url], env, proxy, "echo")
    wait_until_offered(gateway)
    return asks


def wait_until_offered(port: int) -> None:
    """The gateway is ready before it has asked the server what it offers."""
    for _ in range(200):
        with urlopen(f"http://{LOOPBACK}:{port}/health/ready") as answer:
            if all(each["up"] for each in json.load(answer)["upstreams"]):
                return
        time.sleep(0.05)
    raise StartError("the gateway does not reach the tool's server")


async def measure(asks: list[Ask]) -> dict[str, Result]:
    """By turns in shuffled order, after a round that does not count."""
    found = {each.target: Result() for each in asks}
    for number in range(ROUNDS + 1):
        for each in random.sample(asks, len(asks)):
            alone = await one_after_another(each, seconds=SECONDS if number else 0.5)
            together = await closed_loop(each, callers=CALLERS, seconds=SECONDS)
            if number:
                result = found[each.target]
                result.latencies += alone.latencies
                result.middles.append(median(alone.latencies))
                result.per_second.append(together.answers / together.seconds)
                result.cpu_us.append(together.cpu_seconds / together.answers * 1e6)
    return found


def table(found: dict[str, Result]) -> str:
    direct = found["direct"]
    rows = []
    for name, result in found.items():
        cuts = quantiles(result.latencies, n=100)
        added = [x - y for x, y in zip(result.middles, direct.middles, strict=True)]
        rows.append(
            {
                "target": name,
                "p50 ms": f"{cuts[49] * 1e3:.2f}",
                "p99 ms": f"{cuts[98] * 1e3:.2f}",
                "times": f"{median(result.middles) / median(direct.middles):.1f}",
                "added ms": f"{median(added) * 1e3:.2f}",
                f"calls/s, {CALLERS} callers": f"{median(result.per_second):,.0f}",
                "CPU us/call": f"{median(result.cpu_us):,.0f}",
            }
        )
    return markdown(rows)


def main() -> int:
    RUNS.mkdir(parents=True, exist_ok=True)
    running: list[Started] = []
    try:
        asks = started_all(running)
        with on_core(cores()[1]):
            found = uvloop.run(measure(asks))
    finally:
        for each in running:
            stop(each.process)
    print(table(found))
    pairs = zip(found["gateway"].middles, found["proxy"].middles, strict=True)
    ratio = median(ours / theirs for ours, theirs in pairs)
    print(f"a call through the gateway takes {ratio:.2f} times what it takes through the proxy")
    return int(ratio >= 1)


if __name__ == "__main__":
    sys.exit(main())
