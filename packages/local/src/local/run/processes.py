"""The processes of a run, each as a command, what it may know, and when it is ready."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from local.run import environments
from local.run.config import Config
from local.run.environments import LANGFUSE_HOST
from local.run.ports import LOOPBACK, free_port


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to start.

    Attributes:
        environment: all that it gets.
        port: on 127.0.0.1.
        ready: the paths that are answered by 200 once it is.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    port: int
    ready: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


def local_provider(environ: Mapping[str, str], name: str, module: str) -> ProcessSpec:
    """A provider of our own, on a free port.

    Args:
        module: is run, and takes the port as `--port`.
    """
    port = free_port()
    return ProcessSpec(
        name,
        [sys.executable, "-m", module, "--port", str(port)],
        environments.for_local_provider(environ),
        port,
        ("/health",),
    )


def langfuse(environ: Mapping[str, str]) -> tuple[list[ProcessSpec], Mapping[str, str]]:
    """A Langfuse for this run, and the environment in which the others find it.

    Where the environment names one already, there is none to start.
    """
    if environ.get(LANGFUSE_HOST):
        return [], environ
    keys = environments.new_langfuse_keys()
    spec = local_provider(environ, "Langfuse", "local.langfuse")
    spec = replace(spec, environment=spec.environment | keys, ready=("/api/public/health",))
    return [spec], {**environ, **keys, LANGFUSE_HOST: spec.url}


def gateway(
    environ: Mapping[str, str],
    port: int,
    written: Config,
    config_file: Path,
    *,
    key: str,
    local_llm_url: str,
    fault_models_url: str,
    host: str = LOOPBACK,
) -> ProcessSpec:
    """
    Args:
        written: the config with every reference to a variable.
        config_file: the config to run with.
        key: the master key.
        local_llm_url, fault_models_url: OpenAI-compatible, end in `/v1`.
        host: the address to listen on.
    """
    options = {"--config": config_file, "--host": host, "--port": port, "--telemetry": False}
    return ProcessSpec(
        "gateway",
        [
            *(sys.executable, "-m", "litellm.proxy.proxy_cli"),
            *(str(word) for option in options.items() for word in option),
        ],
        environments.for_proxy(
            environ,
            written,
            key=key,
            local_llm_url=local_llm_url,
            fault_models_url=fault_models_url,
        ),
        port,
        ("/health/liveliness", "/health/readiness"),
    )


def api(
    environ: Mapping[str, str],
    port: int,
    written: Config,
    python: Path,
    *,
    key: str,
    gateway_url: str,
) -> ProcessSpec:
    """
    Args:
        written: the gateway's config with every reference to a variable.
        python: the one that has the API.
        key: the gateway's.
        gateway_url: OpenAI-compatible, ends in `/v1`.
    """
    return ProcessSpec(
        "API",
        [str(python), "-m", "api"],
        environments.for_api(environ, written, port=port, key=key, gateway_url=gateway_url),
        port,
        ("/health/ready",),
    )


def tool_gateway(
    environ: Mapping[str, str],
    port: int,
    written: Config,
    python: Path,
    *,
    files: Path,
    record: Path,
    api_url: str,
) -> ProcessSpec:
    """
    Args:
        written: the gateway's config with every reference to a variable.
        python: the one that has the tool gateway, which is the API's.
        files: the folder with its allowlist and its servers.
        record: the file of its record.
        api_url: without a path.
    """
    return ProcessSpec(
        "tool gateway",
        [str(python), "-m", "runtime_mcp"],
        environments.for_tool_gateway(
            environ, written, port=port, files=files, record=record, api=api_url
        ),
        port,
        ("/health/ready",),
    )
