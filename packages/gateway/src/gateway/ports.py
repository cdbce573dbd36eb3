"""Ports on 127.0.0.1: which to use, and whether they can be had."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


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


def claim(ports: Mapping[str, int]) -> None:
    """Makes sure that all of them can be listened on, and by one process each.

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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port
