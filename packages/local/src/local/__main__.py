"""The command line: `python -m local serve`, `run` with the API, `proxy` alone, or `check`."""

import argparse
import os
import sys
from pathlib import Path

from local.config_check import CONFIG, ROOT, Mistakes, refuse_mistakes
from local.run.config import ConfigError
from local.run.ports import LOOPBACK, PortError, chosen_port
from local.run.proxy import ProxyOptions, become
from local.run.runner import RunOptions, run
from local.run.supervision import Interrupted, ProcessError

TOOL_FILES = ROOT / "packages" / "runtime-mcp" / "local"


def port(text: str) -> int:
    return chosen_port({"--port": text}, "--port", 0)


def parse(arguments: list[str] | None) -> RunOptions | ProxyOptions | list[Path]:
    """What to run, or the files to check."""
    parser = argparse.ArgumentParser(prog="gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="the local LLM and the gateway")
    everything = commands.add_parser("run", help="the same, the API and the tool gateway")
    everything.add_argument("--api-python", type=Path, required=True, help="has both installed")
    proxy = commands.add_parser("proxy", help="LiteLLM alone; LOCAL_LLM_URL, FAULT_MODELS_URL")
    proxy.add_argument("--host", default=LOOPBACK, help=f"the address to listen on; {LOOPBACK}")
    check = commands.add_parser("check", help="look for mistakes in a config, start nothing")
    check.add_argument(
        "files",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="the config, then its overlays; else the one that serve runs",
    )
    for command in (serve, everything, proxy):
        command.add_argument("--config", type=Path, default=CONFIG, help="the repository's")
        command.add_argument("--port", type=port, help="of the gateway; else GATEWAY_PORT or 4000")
        command.add_argument(
            "--overlay",
            type=Path,
            action="append",
            default=[],
            help="more LiteLLM config: lists grow, mappings merge; may be given several times",
        )
    asked = parser.parse_args(arguments)
    if asked.command == "check":
        return asked.files or [CONFIG]
    configs = [asked.config, *asked.overlay]
    if asked.command == "proxy":
        return ProxyOptions(configs, asked.host, asked.port)
    api_python = asked.api_python.absolute() if asked.command == "run" else None
    return RunOptions(configs, asked.port, api_python, TOOL_FILES, Path(".run"))


def main(arguments: list[str] | None = None) -> int:
    """1 when a process failed, 2 when nothing was started, 0 when all is well or was ended."""
    options = parse(arguments)
    try:
        if isinstance(options, RunOptions):
            run(options, os.environ)
        elif isinstance(options, ProxyOptions):
            become(options, os.environ)
        else:
            refuse_mistakes(options)
            print(f"no mistake in {', '.join(map(str, options))}")
    except (ConfigError, PortError) as error:
        print(error if isinstance(error, Mistakes) else f"gateway: {error}", file=sys.stderr)
        return 2
    except ProcessError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except (Interrupted, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
