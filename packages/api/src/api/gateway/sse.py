"""Server-Sent Events in: network reads to the data of whole events, however they were cut.

Source: WHATWG HTML, section 9.2.6, "Interpreting an event stream".
"""

from api.errors import UpstreamFailed

BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 1024 * 1024


class EventDecoder:
    """Takes bytes as they arrive and gives back the `data` of each event they complete."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        """Those of `_data`, with a line end for each, so that endless empty lines count too."""
        self._started = False
        self._after_cr = False

    def feed(self, read: bytes) -> list[bytes]:
        """The data of the events that this read completes, oldest first.

        Raises:
            UpstreamFailed: an event is larger than any sane gateway sends.
        """
        events: list[bytes] = []
        for line in self._lines(read):
            self._check_size(len(line))
            if line.startswith(b"data:"):
                self._take(line[6:] if line[5:6] == b" " else line[5:])
            elif line == b"data":
                self._take(b"")
            elif not line and self._data:
                if data := b"\n".join(self._data):
                    events.append(data)
                self._data = []
                self._data_bytes = 0
        self._check_size(len(self._line))
        return events

    def _take(self, data: bytes) -> None:
        self._data.append(data)
        self._data_bytes += len(data) + 1

    def _check_size(self, line_bytes: int) -> None:
        if self._data_bytes + line_bytes > MAX_EVENT_BYTES:
            raise UpstreamFailed("an event of the stream is too large")

    def _lines(self, read: bytes) -> list[bytes]:
        if not self._started:
            read = bytes(self._line) + read
            self._line.clear()
            if len(read) < len(BOM) and BOM.startswith(read):
                self._line += read
                return []
            read = read.removeprefix(BOM)
            self._started = True
        if not read:
            return []
        if self._after_cr:
            read = read.removeprefix(b"\n")
        self._after_cr = read.endswith(b"\r")
        if b"\r" in read:
            read = read.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = read.split(b"\n")
        if lines and self._line:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        self._line += rest
        return lines
