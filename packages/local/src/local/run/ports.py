"""Ports on 127.0.0.1: which to use, and whether they can be had.

`python -m local.run.ports run` says whether those of a run can, before there is an environment to
run it in: this module needs Python alone, and no new one.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

LOOPBACK = "127.0.0.1"
GATEWAY_PORT = "GATEWAY_PORT"
API_PORT = "PORT"
TOOL_GATEWAY_PORT = "TOOL_GATEWAY_PORT"
DEFAULTS = {GATEWAY_PORT: 4000, API_PORT: 8000, TOOL_GATEWAY_PORT: 8004}
NOT_GIVEN_BY_THE_SYSTEM = range(20_000, 32_000)
KEPT_SECONDS = 120.0
"""So long a port is nobody else's, whether its process listens already or not."""


class PortError(ValueError):
    """A port cannot be used. The message is one line that names the variable to set."""


def chosen_port(environ: Mapping[str, str], variable: str, default: int) -> int:
    """
    Raises:
        PortError: the variable is set, and not to a port.
    """
    value = environ.get(variable) or str(default)
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise PortError(f"{variable} is not a port: {value!r}")
    return int(value)


def ports_of(environ: Mapping[str, str], gateway_port: int | None, command: str) -> dict[str, int]:
    """The port of each process that `serve` or `run` starts for others, by its variable.

    Args:
        gateway_port: None for the environment's.

    Raises:
        PortError: a variable is set, and not to a port.
    """
    variables = [GATEWAY_PORT] if command == "serve" else [*DEFAULTS]
    ports = {name: chosen_port(environ, name, DEFAULTS[name]) for name in variables}
    return {**ports, **({GATEWAY_PORT: gateway_port} if gateway_port else {})}


def claim(ports: Mapping[str, int]) -> None:
    """Makes sure that all of them can be listened on, by one process each, and are given to nobody.

    Args:
        ports: each by the variable that sets it.

    Raises:
        PortError: one is taken.
    """
    with ExitStack() as claims:
        for variable, port in ports.items():
            listener = claims.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
                listener.listen()
            except OSError as error:
                raise PortError(
                    f"port {port} is taken; set {variable} to another, as in {variable}={port + 1}"
                ) from error
    with lately_given() as given:
        given.update(dict.fromkeys(ports.values(), time.time()))


def free_port(among: Sequence[int] = NOT_GIVEN_BY_THE_SYSTEM) -> int:
    """A port that nobody listens on, for a process that may take a while until it does.

    It is below those that Linux and macOS give to outgoing connections and to port 0: one of theirs
    is free now, and another's when a slow starter binds it. For the same reason no process of this
    user gets a port that another one was just given.

    Raises:
        PortError: none of a hundred is free.
    """
    with lately_given() as given:
        for _ in range(100):
            port = secrets.choice(among)
            if port not in given and can_be_bound(port):
                given[port] = time.time()
                return port
    raise PortError(f"no port of {among} is free")


def can_be_bound(port: int) -> bool:
    with socket.socket() as listener, suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        return True
    return False


@contextmanager
def lately_given() -> Iterator[dict[int, float]]:
    """The ports that processes of this user were given, and when; for one of them at a time."""
    path = Path(gettempdir()) / f"ports-given-{os.getuid()}.json"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        written: dict[str, float] = {}
        with suppress(ValueError):  # of a process that was killed while it wrote
            written = json.loads(file.read() or "{}")
        since = time.time() - KEPT_SECONDS
        given = {int(port): at for port, at in written.items() if at > since}
        yield given
        file.seek(0)
        json.dump(given, file)
        file.truncate()


def main() -> int:
    """2 when a port cannot be used."""
    parser = argparse.ArgumentParser(prog="local.run.ports", description=__doc__)
    parser.add_argument("command", choices=("serve", "run"))
    parser.add_argument("--port", type=int, help=f"of the gateway; else {GATEWAY_PORT}")
    asked, _ = parser.parse_known_args()
    try:
        claim(ports_of(os.environ, asked.port, asked.command))
    except PortError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
