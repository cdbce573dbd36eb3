"""One process on its leash: whether it runs, whether it answers, and what it said last."""

import http.client
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.ports import LOOPBACK

LAST_LINES = 15
ANSWER_SECONDS = 2


class ProcessError(Exception):
    """A process ended, or never got ready. The message names it and shows its last lines."""


@dataclass(frozen=True, slots=True)
class Process:
    """A started process.

    Attributes:
        log: the file that gets its output.
    """

    name: str
    leash: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """
        Raises:
            ProcessError: it ended.
        """
        code = self.leash.poll()
        if code is None:
            return
        number = code - 128 if code > 128 else -code
        with suppress(ValueError):
            raise self.failure(f"was ended by {signal.Signals(number).name}")
        raise self.failure(f"ended with exit code {code}")

    def failure(self, what: str) -> ProcessError:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n".join(f"  | {line}" for line in lines[-LAST_LINES:]) or "  | (nothing)"
        return ProcessError(f"{self.name} {what}; its last lines ({self.log}):\n{shown}")

    def answers(self, port: int, path: str) -> bool:
        """Whether a GET on 127.0.0.1 is answered by 200 within two seconds."""
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
