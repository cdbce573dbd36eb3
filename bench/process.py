"""One process of the run: started on its core, asked whether it lives, read from /proc, stopped.

Outside Linux there is neither /proc nor pinning: memory and CPU are then not a number.
"""

import http.client
import math
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 10.0
POLL_SECONDS = 0.005


class StartError(Exception):
    """A process ended, or did not answer, before it was alive."""


@dataclass(frozen=True)
class Started:
    """A live process, with the seconds from its start to its first 200 and its memory then."""

    process: subprocess.Popen[bytes]
    seconds_to_live: float
    rss_mb: float


def cores() -> tuple[int | None, int | None]:
    """The core of the service and the core of everything else, where the system can pin."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Pins this process, and what it starts meanwhile, to `core`."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: tuple[str, ...],
    *,
    env: dict[str, str],
    port: int,
    live: str,
    core: int | None,
    log: Path,
) -> Started:
    """Starts `command` and waits for the first 200 of the path `live`; raises StartError."""
    with log.open("wb") as output, on_core(core):
        began = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not answers_200(port, live):
            fail_unless_starting(process, time.perf_counter() - began, log)
            time.sleep(POLL_SECONDS)
        return Started(process, time.perf_counter() - began, rss_mb(process.pid))
    except BaseException:
        stop(process)
        raise


def fail_unless_starting(
    process: subprocess.Popen[bytes], seconds_so_far: float, log: Path
) -> None:
    if process.poll() is None and seconds_so_far < START_WITHIN_SECONDS:
        return
    last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise StartError(f"not alive after {seconds_so_far:.0f} s: {process.args!r}\n{last_lines}")


def answers_200(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_idle(pid: int, *, at_most_seconds: float = 20.0) -> None:
    """Waits for half a second without CPU time: what it imports in the background is there."""
    deadline = time.monotonic() + at_most_seconds
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = cpu_seconds(pid)
        if not now - before >= 0.02:
            return
        before = now


def rss_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return math.nan
    resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """User and system time of the process so far, all its threads."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return math.nan
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
