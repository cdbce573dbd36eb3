"""Starts the local providers and the gateway; when asked to, what is around it, too; ends all."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.run import announcement, processes, run_folder
from local.run.announcement import say
from local.run.assembly import assemble
from local.run.environments import LANGFUSE_HOST, MASTER_KEY
from local.run.ports import chosen_port, claim
from local.run.processes import Part
from local.run.supervision import Supervision

READY_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for.

    Attributes:
        configs: the gateway's config, then the overlays, in order.
        gateway_port: None for the environment's.
        api_python: the Python that has the API and the tool gateway, or None for neither.
        tool_files: the folder with the tool gateway's allowlist and servers.
        runs: gets a folder for this run.
    """

    configs: Sequence[Path]
    gateway_port: int | None
    api_python: Path | None
    tool_files: Path
    runs: Path


def run(wish: Wish, environ: Mapping[str, str]) -> None:
    """Runs until something ends it.

    Raises:
        ConfigError, PortError: nothing was started.
        ProcessError: a process ended, or was not ready in time.
        Interrupted: a signal asked for the end.
    """
    config = assemble(wish.configs, environ)
    gateway_port = wish.gateway_port or chosen_port(environ, "GATEWAY_PORT", 4000)
    api_port = chosen_port(environ, "PORT", 8000)
    tool_port = chosen_port(environ, "TOOL_GATEWAY_PORT", 8004)
    around = {"PORT": api_port, "TOOL_GATEWAY_PORT": tool_port} if wish.api_python else {}
    claim({"GATEWAY_PORT": gateway_port} | around)

    folder = wish.runs / str(gateway_port)
    run_folder.prepare(folder)
    config_file = run_folder.write(folder, config)
    key = environ.get(MASTER_KEY) or f"sk-local-{secrets.token_hex(16)}"

    llm = processes.local_provider(environ, "local LLM", "local.local_llm")
    faults = processes.local_provider(environ, "fault models", "local.fault_models")
    behind = [llm, faults]
    if wish.api_python:
        langfuse, environ = processes.langfuse(environ)
        behind += langfuse
    gateway = processes.gateway(
        environ,
        gateway_port,
        config.written,
        config_file,
        key=key,
        local_llm_url=f"{llm.url}/v1",
        fault_models_url=f"{faults.url}/v1",
    )
    url = f"{gateway.url}/v1"
    if wish.api_python:
        api = processes.api(
            environ, api_port, config.written, wish.api_python, key=key, gateway_url=url
        )
        tools = processes.tool_gateway(
            environ,
            tool_port,
            config.written,
            wish.api_python,
            files=wish.tool_files,
            record=folder / "audit.db",
            api_url=api.url,
        )
        chain = [*behind, gateway, api, tools]
        ready = announcement.everything(api.url, environ[LANGFUSE_HOST], tools.url)
    else:
        shown = f'"${MASTER_KEY}"' if environ.get(MASTER_KEY) else key
        chain, ready = [*behind, gateway], announcement.gateway(url, shown)
    supervise(chain, folder, f"\n{announcement.routes(config.routes)}\n{ready}")


def supervise(chain: Sequence[Part], folder: Path, ready: str) -> None:
    say(f"starting {', '.join(part.name for part in chain)}; their output goes to {folder}")
    say("LiteLLM takes 5 to 20 seconds")
    with Supervision(folder) as supervision:
        supervision.end_on_signals()
        began = time.monotonic()
        started = [
            (part, supervision.start(part.name, part.command, part.environment)) for part in chain
        ]
        for part, process in started:
            supervision.wait_until_ready(process, part.port, part.ready, seconds=READY_SECONDS)
            say(f"{part.name}: ready at {part.url} after {time.monotonic() - began:.1f} s")
        say(ready)
        supervision.watch()
