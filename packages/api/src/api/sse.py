"""Server-Sent Events in: network reads to the data of whole events, however they were cut.

Source: WHATWG HTML, section 9.2.6, "Interpreting an event stream".
"""

from api.errors import UpstreamFailed

BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 1024 * 1024


class EventDecoder:
    """Takes bytes as they arrive and gives back the `data` of each event they complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._started = False

    def feed(self, read: bytes) -> list[bytes]:
        """The data of the events that this read completes, oldest first.

        Raises:
            UpstreamFailed: an event is larger than any sane gateway sends.
        """
        events: list[bytes] = []
        for line in self._lines(read):
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line == b"data":
                self._data.append(b"")
            elif not line and self._data:
                if data := b"\n".join(self._data):
                    events.append(data)
                self._data = []
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise UpstreamFailed("an event of the stream is too large")
        return events

    def _lines(self, read: bytes) -> list[bytes]:
        text = self._rest + read
        if not self._started:
            if len(text) < len(BOM) and BOM.startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(BOM)
            self._started = True
        if b"\r" not in text:
            *lines, self._rest = text.split(b"\n")
            return lines
        # A trailing CR may be the first half of a CRLF that the next read completes.
        held = b"\r" if text.endswith(b"\r") else b""
        text = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        return lines
