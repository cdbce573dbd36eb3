"""The processes of an image in its sandbox, as this machine's kernel knows them."""

import asyncio
import os
import signal
from pathlib import Path

PATH = {"PATH": "/usr/bin:/bin"}
GRACE_SECONDS = 32


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def first(sandbox: int) -> int:
    """Process 1 of the sandbox, by its number outside."""
    (bubblewrap,) = children(sandbox)
    (found,) = children(bubblewrap)
    return found


def status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


async def ended(process: asyncio.subprocess.Process) -> int:
    """The exit code after a SIGTERM to process 1."""
    os.kill(first(process.pid), signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), GRACE_SECONDS)


def assert_nobody_with_a_root_that_is_read_only(pid: int) -> None:
    known = status(pid)
    assert known["Uid"] == known["Gid"] == ["10001"] * 4
    assert known["Groups"] == []
    assert {int(known[which][0], 16) for which in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    mounts = [line.split() for line in Path(f"/proc/{pid}/mounts").read_text().splitlines()]
    assert [options.split(",")[0] for _, where, _, options, *_ in mounts if where == "/"] == ["ro"]
