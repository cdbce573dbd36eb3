"""The key for the gateway; one that comes from a file is read again when the file changes."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from api.errors import GatewayKeyRejected
from chassis.redaction import keep_out
from chassis.setting_values import checked_key


class GatewayKey:
    """The key as it is now.

    Args:
        value: a key that was checked.
        file: where it was read from, if anywhere.
    """

    def __init__(self, value: str, file: Path | None = None) -> None:
        keep_out(value)
        self._value = value
        self._file = file
        self._seen: tuple[int, int, int] | None = None

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """The key of a file, from now on.

        Raises:
            OSError: the file cannot be read.
            ValueError: there is no key in it.
        """
        return cls(checked_key(file.read_text()), file)

    @contextmanager
    def in_use(self) -> Generator[str]:
        """The key for what is done in the block.

        Raises:
            GatewayKeyRejected: as the block did; where the file has another key by now, that one is
                worth a retry.
        """
        key = self.current()
        try:
            yield key
        except GatewayKeyRejected as error:
            if self.current() != key:
                error.after_renewal()
            raise

    def current(self) -> str:
        """The key; the last good one while its file cannot be read or holds none."""
        if self._file is None:
            return self._value
        try:
            stat = self._file.stat()
            version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if self._seen != version:
                self._value = checked_key(self._file.read_text())
                keep_out(self._value)
                self._seen = version
        except (OSError, ValueError):
            pass
        return self._value
