"""LiteLLM alone, as a container runs it: the local LLM and the fault models are others' processes.

The config is laid over in the same way as for `serve`; then this process becomes LiteLLM.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from local.run import announcement, processes, run_folder
from local.run.announcement import say
from local.run.assembly import assemble
from local.run.config import ConfigError
from local.run.environments import FAULT_MODELS_URL, LOCAL_LLM_URL, MASTER_KEY
from local.run.ports import DEFAULTS, GATEWAY_PORT, chosen_port


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """What the command line asks for.

    Attributes:
        configs: the gateway's config, then the overlays, in order.
        host: the address to listen on.
        port: None for the environment's.
    """

    configs: Sequence[Path]
    host: str
    port: int | None


def become(options: ProxyOptions, environ: Mapping[str, str]) -> NoReturn:
    """Ends as LiteLLM does: there is nobody behind it, so a signal reaches it.

    Raises:
        ConfigError, PortError: nothing was started.
    """
    key, local_llm_url, fault_models_url = (
        required(environ, name) for name in (MASTER_KEY, LOCAL_LLM_URL, FAULT_MODELS_URL)
    )
    config = assemble(options.configs, environ)
    gateway = processes.gateway(
        environ,
        options.port or chosen_port(environ, GATEWAY_PORT, DEFAULTS[GATEWAY_PORT]),
        config.written,
        run_folder.write(Path(tempfile.mkdtemp(prefix="gateway-")), config),
        key=key,
        local_llm_url=local_llm_url,
        fault_models_url=fault_models_url,
        host=options.host,
    )
    say(announcement.routes(config.routes))
    os.execve(gateway.command[0], gateway.command, gateway.environment)  # noqa: S606 - no shell is wanted


def required(environ: Mapping[str, str], name: str) -> str:
    """
    Raises:
        ConfigError: it is not set, or empty.
    """
    if not environ.get(name):
        raise ConfigError(f"{name} is not set")
    return environ[name]
