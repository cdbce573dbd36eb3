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
from local.run.ports import API_PORT, GATEWAY_PORT, TOOL_GATEWAY_PORT, claim, ports_of
from local.run.processes import ProcessSpec
from local.run.supervision import Supervision

READY_SECONDS = 180


@dataclass(frozen=True, slots=True)
class RunOptions:
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


def run(options: RunOptions, environ: Mapping[str, str]) -> None:
    """Runs until something ends it.

    Raises:
        ConfigError, PortError: nothing was started.
        ProcessError: a process ended, or was not ready in time.
        Interrupted: a signal asked for the end.
    """
    config = assemble(options.configs, environ)
    ports = ports_of(environ, options.gateway_port, "run" if options.api_python else "serve")
    claim(ports)
    folder = options.runs / str(ports[GATEWAY_PORT])
    run_folder.prepare(folder)
    config_file = run_folder.write(folder, config)
    key = environ.get(MASTER_KEY) or f"sk-local-{secrets.token_hex(16)}"
    shown = f"${MASTER_KEY}" if environ.get(MASTER_KEY) else key

    llm = processes.local_provider(environ, "local LLM", "local.local_llm")
    faults = processes.local_provider(environ, "fault models", "local.fault_models")
    behind = [llm, faults]
    if options.api_python:
        langfuse, environ = processes.langfuse(environ)
        behind += langfuse
    gateway = processes.gateway(
        environ,
        ports[GATEWAY_PORT],
        config.written,
        config_file,
        key=key,
        local_llm_url=f"{llm.url}/v1",
        fault_models_url=f"{faults.url}/v1",
    )
    url = f"{gateway.url}/v1"
    chain, ready = [*behind, gateway], announcement.gateway(url, shown)
    if options.api_python:
        api = processes.api(
            environ,
            ports[API_PORT],
            config.written,
            options.api_python,
            key=key,
            gateway_url=url,
        )
        tools = processes.tool_gateway(
            environ,
            ports[TOOL_GATEWAY_PORT],
            config.written,
            options.api_python,
            files=options.tool_files,
            record=folder / "audit.db",
            api_url=api.url,
        )
        chain += [api, tools]
        ready = announcement.everything(api.url, environ[LANGFUSE_HOST], tools.url, url, shown)
    supervise(chain, folder, f"\n{announcement.routes(config.routes)}\n{ready}")


def supervise(chain: Sequence[ProcessSpec], folder: Path, ready: str) -> None:
    say(f"starting {', '.join(spec.name for spec in chain)}; their output goes to {folder}")
    say("LiteLLM takes 5 to 20 seconds")
    with Supervision(folder) as supervision:
        supervision.end_on_signals()
        began = time.monotonic()
        started = [
            (spec, supervision.start(spec.name, spec.command, spec.environment)) for spec in chain
        ]
        for spec, process in started:
            supervision.wait_until_ready(process, spec.port, spec.ready, seconds=READY_SECONDS)
            say(f"{spec.name}: ready at {spec.url} after {time.monotonic() - began:.1f} s")
        say(ready)
        supervision.watch()
