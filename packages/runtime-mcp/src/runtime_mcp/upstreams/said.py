"""What a process writes that is no message, in our log: so many lines in a while."""

import time

from chassis.logs import log

LONGEST = 1000
MOST_LINES = 50
EACH_SECONDS = 10.0


class Said:
    """
    Args:
        server: its name.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._since = time.monotonic()
        self._written = self._left = 0

    def write(self, line: bytes) -> None:
        """One line, unless there were too many before it."""
        text = line[:LONGEST].decode(errors="replace").strip()
        if not text:
            return
        if time.monotonic() - self._since > EACH_SECONDS:
            if self._left:
                log.warning("upstream_said_more", server=self._server, lines=self._left)
            self._since = time.monotonic()
            self._written = self._left = 0
        if self._written < MOST_LINES:
            self._written += 1
            log.info("upstream_said", server=self._server, line=text)
        else:
            self._left += 1
