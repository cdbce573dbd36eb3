"""The server process: on a signal it takes no new calls, lets the open ones end, then stops."""

import socket
import time
from types import FrameType

import uvicorn
from sse_starlette.sse import AppStatus

from api.admission import Admission

GRACE_SECONDS = 25.0


class Server(uvicorn.Server):
    """uvicorn, draining first.

    Args:
        config: uvicorn's.
        admission: closed by the first signal; the server stops when nothing is under way, or
            after the grace, or at a second signal.
    """

    def __init__(self, config: uvicorn.Config, admission: Admission) -> None:
        super().__init__(config)
        self._admission = admission
        self._stop_by = float("inf")
        # 1. sse-starlette would cut every stream at the first signal; here they may end.
        AppStatus.enable_automatic_graceful_drain = False

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Starts the drain. Not uvicorn's way: that would end the process by the signal itself."""
        if self._admission.draining:
            self.should_exit = self.force_exit = True
        self._admission.draining = True
        self._stop_by = time.monotonic() + GRACE_SECONDS

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True stops the server."""
        if self._admission.draining and (
            self._admission.in_flight == 0 or time.monotonic() > self._stop_by
        ):
            self.should_exit = True
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.set_inheritable(True)
    return listener
