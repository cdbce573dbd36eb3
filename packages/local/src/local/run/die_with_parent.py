"""Ends a process with the one that started it: `python -m local.run.die_with_parent COMMAND ...`.

The command runs until it ends, or until this program's standard input does, which the kernel sees
to however the starter dies. Then the command is asked to end, and its whole group is killed when
that takes too long. SIGTERM, SIGINT and SIGHUP end it in the same way.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys

GRACE_SECONDS = 4
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
STDIN = 0


def wake_on_signals() -> int:
    """The file descriptor from which the number of each signal can be read, as one byte."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in {*ENDING, signal.SIGCHLD}:
        signal.signal(number, lambda *_: None)
    return woken


def hold(command: subprocess.Popen[bytes], woken: int) -> int | None:
    """Waits for the command's exit code, or for a reason to end it: then None."""
    while True:
        readable, _, _ = select.select([STDIN, woken], [], [])
        if (code := command.poll()) is not None:
            return code
        if woken in readable and ENDING.intersection(os.read(woken, 64)):
            return None
        if STDIN in readable and not os.read(STDIN, 64):
            return None


def main(arguments: list[str]) -> int:
    """The command's exit code; as in a shell, 128 and the signal when a signal ended it."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    woken = wake_on_signals()
    command = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    code = hold(command, woken)
    if code is None:
        for _ in range(2):  # the second time, the API ends the streams that are still open
            command.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(GRACE_SECONDS / 2)
        os.killpg(0, signal.SIGKILL)
    return 128 - code if code is not None and code < 0 else code or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
