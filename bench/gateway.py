"""`python -m bench.gateway`: what the policy costs the gateway for each call.

Two LiteLLM proxies, one with our config and one with the same config without the policy, take turns
in front of a provider that costs next to nothing. What is compared is their CPU time per call.
"""

import copy
import json
import os
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop

from bench.fake_gateway import MODEL, words
from bench.load import Ask, closed_loop
from bench.process import Started, cores, start, stop
from bench.targets import ANSWER_WORDS
from local.run import run_folder
from local.run.assembly import Assembly, assemble
from local.run.environments import for_proxy
from local.run.ports import free_port

(CONFIG,) = Path().glob("charts/*/gateway/config.yaml")
PYTHON = Path(".venv-gateway/bin/python")
RUNS = Path(".run/bench-gateway")
KEY = "sk-bench-of-the-gateway"
ROUNDS, SECONDS, CALLERS = 20, 1.5, 8
MOST = 1.05


def without_policy(config: dict[str, Any]) -> dict[str, Any]:
    """The config as LiteLLM has it of itself."""
    stock = copy.deepcopy(config)
    stock["general_settings"].pop("custom_auth")
    callbacks = stock["litellm_settings"]["callbacks"]
    stock["litellm_settings"]["callbacks"] = [x for x in callbacks if not x.startswith("policy.")]
    return stock


def entry(provider_url: str) -> dict[str, Any]:
    """The one alias that is asked, with a price."""
    price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    where = {"model": f"openai/{MODEL}", "api_base": provider_url, "api_key": "none"}
    return {"model_name": "bench", "litellm_params": where | price}


def proxy(name: str, assembly: Assembly, config: dict[str, Any]) -> tuple[Started, int]:
    folder, port = (RUNS / name).resolve(), free_port()
    run_folder.prepare(folder)
    file = run_folder.write(folder, Assembly(assembly.sources, config, config, []))
    options = ("--config", str(file), "--host", "127.0.0.1", "--port", str(port))
    command = (str(PYTHON), "-m", "litellm.proxy.proxy_cli", *options, "--telemetry", "False")
    environment = for_proxy(os.environ, config, key=KEY, local_llm_url="", fault_models_url="")
    return start(
        command,
        env=environment,
        port=port,
        live="/health/readiness",
        core=cores()[0],
        log=folder / "gateway.log",
    ), port


def ask(name: str, port: int, pid: int) -> Ask:
    body = json.dumps(
        {
            "model": "bench",
            "messages": [{"role": "user", "content": f"Say {ANSWER_WORDS} words."}],
            "metadata": {"project_id": "bench", "solution": "bench"},
        }
    ).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Authorization: Bearer {KEY}",
        f"Content-Length: {len(body)}",
    ]
    whole = "".join(words(ANSWER_WORDS)).encode()
    return Ask(
        name,
        port,
        pid,
        "\r\n".join([*head, "", ""]).encode() + body,
        lambda answer: None if whole in answer else "not the whole text",
    )


async def measure(asks: list[Ask]) -> dict[str, list[float]]:
    """Microseconds of CPU per call and round, after a round that does not count."""
    found: dict[str, list[float]] = {each.target: [] for each in asks}
    for number in range(ROUNDS + 1):
        for each in asks if number % 2 else reversed(asks):
            window = await closed_loop(each, callers=CALLERS, seconds=SECONDS)
            if number:
                found[each.target].append(window.cpu_seconds / window.answers * 1e6)
    return found


def main() -> int:
    provider_port = free_port()
    assembly = assemble([CONFIG], {})
    ours = copy.deepcopy(assembly.running)
    ours["model_list"] = [entry(f"http://127.0.0.1:{provider_port}/v1")]
    RUNS.mkdir(parents=True, exist_ok=True)
    started = [
        start(
            (sys.executable, "-m", "bench.fake_gateway", str(provider_port)),
            env=dict(os.environ),
            port=provider_port,
            live="/health/readiness",
            core=cores()[1],
            log=RUNS / "provider.log",
        )
    ]
    asks = []
    try:
        for name, config in (("stock", without_policy(ours)), ("policy", ours)):
            running, port = proxy(name, assembly, config)
            started.append(running)
            asks.append(ask(name, port, running.process.pid))
        found = uvloop.run(measure(asks))
    finally:
        for running in started:
            stop(running.process)
    ratios = [ours / stock for ours, stock in zip(found["policy"], found["stock"], strict=True)]
    for name, values in found.items():
        print(f"{name:<7} {median(values):7,.0f} us of CPU per call")
    print(f"the policy costs {median(ratios) - 1:+.1%} (goal: under {MOST - 1:.0%})")
    low, _, high = quantiles(ratios, n=4)
    print(f"half of the {len(ratios)} rounds are between {low - 1:+.1%} and {high - 1:+.1%}")
    return int(median(ratios) >= MOST)


if __name__ == "__main__":
    sys.exit(main())
