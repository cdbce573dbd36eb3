"""The server process: on a signal it takes no new calls, lets the open ones end, then stops."""

import errno
import socket
import time
from types import FrameType

import uvicorn
from sse_starlette.sse import AppStatus

from chassis.admission import Admission
from chassis.logs import log
from chassis.settings import SettingsError

GRACE_SECONDS = 25.0
UNREAD_SECONDS = 30
"""A client that reads nothing for so long loses its connection."""
LAST_WORDS_SECONDS = 2.0


class Server(uvicorn.Server):
    """uvicorn, draining first.

    The first signal closes the admission. When the grace is over, or at a second signal, the calls
    that are still under way are ended with an error of their own, and then the server stops.

    Args:
        config: uvicorn's.
        admission: of the application that is served.
        grace: seconds for the calls that are under way.
    """

    def __init__(
        self, config: uvicorn.Config, admission: Admission, grace: float = GRACE_SECONDS
    ) -> None:
        super().__init__(config)
        self._admission = admission
        self._grace = grace
        self._grace_ends = float("inf")
        self._has_told = False
        # 1. sse-starlette would cut every stream at the first signal; here they may end.
        AppStatus.enable_automatic_graceful_drain = False

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Starts the drain, or ends its grace. uvicorn's own would end by the signal itself."""
        grace = 0.0 if self._admission.draining else self._grace
        self._admission.draining = True
        self._grace_ends = min(self._grace_ends, time.monotonic() + grace)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True stops the server."""
        if self._admission.draining:
            if not self._has_told:
                log.info("draining", in_flight=self._admission.in_flight, grace_seconds=self._grace)
                self._has_told = True
            late = time.monotonic() - self._grace_ends
            if late >= 0:
                self._admission.end_the_grace()
            if self._admission.in_flight == 0 or late > LAST_WORDS_SECONDS:
                self.should_exit = True
        return await super().on_tick(counter)


def listen(host: str, port: int, *, unread_seconds: float = UNREAD_SECONDS) -> socket.socket:
    """A listening socket.

    Args:
        port: 0 takes a free one.
        unread_seconds: a client that reads nothing of what it was sent for so long loses its
            connection, which it would else keep open, with its buffers, for as long as it likes.
            One that vanished without a word is noticed, too. On Linux; see tcp(7),
            TCP_USER_TIMEOUT.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # 2. The protocol by name: without it asyncio leaves Nagle on, and answers wait for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unread_seconds * 1000)
        )
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def listening(host: str, port: int) -> socket.socket:
    """The socket to serve on.

    Raises:
        SettingsError: the address cannot be had; the line names the variable to set.
    """
    try:
        return listen(host, port)
    except OSError as error:
        name = "PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "HOST"
        where = f"cannot listen on {host}:{port}"
        mistake = f"{name}: {where} ({error.strerror}); set {name} to another"
        raise SettingsError([mistake]) from None
