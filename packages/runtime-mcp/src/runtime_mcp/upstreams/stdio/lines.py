"""What comes through a pipe, cut into lines: messages, and what goes into our log instead.

Of a line that is too long only the ends are kept; of lines for the log, so many in a while.
"""

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from chassis.logs import log

EDGE = 256
LONGEST = 1000
MOST_LINES = 50
EACH_SECONDS = 10.0
ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*,')
ID_LAST = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')


class Line(NamedTuple):
    """
    Attributes:
        text: of one that is too long, its first and its last bytes.
    """

    text: bytes
    is_too_long: bool

    def id_of_message(self) -> int | None:
        """Which request this is the answer to, by what is kept of it."""
        found = ID_FIRST.match(self.text) or ID_LAST.search(self.text)
        return int(found[1]) if found else None


class Lines:
    """
    Args:
        most: bytes of one line.
    """

    def __init__(self, most: int) -> None:
        self._most = max(most, 2 * EDGE)
        self._kept = bytearray()
        self._is_too_long = False

    def of(self, read: bytes) -> Iterator[Line]:
        """The lines that end with what was read."""
        *ends, rest = read.split(b"\n")
        for end in ends:
            self._keep(end)
            yield Line(bytes(self._kept), self._is_too_long)
            self._kept.clear()
            self._is_too_long = False
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if len(self._kept) > self._most or (self._is_too_long and part):
            self._is_too_long = True
            if len(self._kept) > 2 * EDGE:
                self._kept[EDGE:-EDGE] = b""


class OutputLog:
    """What a process writes that is no message, in our log.

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
