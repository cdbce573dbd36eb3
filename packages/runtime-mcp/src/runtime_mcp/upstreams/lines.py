"""What comes through a pipe, cut into lines, of which one that is too long is not kept."""

import re
from collections.abc import Iterator
from typing import NamedTuple

EDGE = 256
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
