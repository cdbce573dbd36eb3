"""The processes of one run: started, waited for, and ended together.

Whatever ends the run, none of them is left: a signal, a process that dies, or the runner's death.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from local.run.die_with_parent import ENDING, GRACE_SECONDS
from local.run.ports import LOOPBACK

LAST_LINES = 15
ANSWER_SECONDS = 2
TICK_SECONDS = 0.1


class ProcessError(Exception):
    """A process ended, or never got ready. The message names it and shows its last lines."""


@dataclass(frozen=True, slots=True)
class Process:
    """A started process.

    Attributes:
        popen: of `die_with_parent`, which runs the command.
        log: the file that gets its output.
    """

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """
        Raises:
            ProcessError: it ended.
        """
        code = self.popen.poll()
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


class Interrupted(Exception):
    """The run was asked to end by a signal."""


class Supervision:
    """A context: after it, nothing runs.

    Args:
        logs: the folder that gets a file for each process.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.processes: list[Process] = []
        self.asked_to_end = False

    def end_on_signals(self) -> None:
        """Lets SIGINT, SIGTERM and SIGHUP end the run, for good."""

        def ask(*_: object) -> None:
            self.asked_to_end = True

        for number in ENDING:
            signal.signal(number, ask)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Starts a process whose output goes to a file of its name.

        Args:
            environment: all that it gets.
        """
        log = self.logs / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "local.run.die_with_parent", *command],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def wait_until_ready(
        self, process: Process, port: int, paths: Sequence[str], *, seconds: float
    ) -> None:
        """Waits until every path is answered by 200.

        Args:
            port: on 127.0.0.1.
            seconds: the patience.

        Raises:
            ProcessError: a process ended, or this one is not ready in time.
            Interrupted: the run was asked to end.
        """
        if not self.watch(lambda: all(process.answers(port, path) for path in paths), seconds):
            raise process.failure(f"was not ready within {seconds:g} seconds")

    def watch(
        self, until: Callable[[], bool] = lambda: False, seconds: float = float("inf")
    ) -> bool:
        """Waits, for ever if not told otherwise; says whether `until` came true.

        Raises:
            ProcessError: a process ended.
            Interrupted: the run was asked to end.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.asked_to_end:
                raise Interrupted
            for process in self.processes:
                process.check()
            if until():
                return True
            time.sleep(TICK_SECONDS)
        return False

    def end(self) -> None:
        """Ends every process, and kills what is left when the grace is over."""
        for process in self.processes:
            if process.popen.stdin:
                process.popen.stdin.close()
        deadline = time.monotonic() + GRACE_SECONDS + 1
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0, deadline - time.monotonic()))
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()
        self.processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()
