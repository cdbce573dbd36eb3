"""`make run` as a person starts it: the runner with everything that it starts."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hearsay import heard, keep
from local.run.ports import free_port
from marked import marked
from running import what_was_left_in

ROOT = Path(__file__).parents[1]
GATEWAY_PYTHON = ROOT / ".venv-gateway" / "bin" / "python"
API_PYTHON = ROOT / ".venv" / "bin" / "python"
MASTER_KEY = marked("make-run")
PROVIDER_KEY = marked("provider-of-make-run")


@dataclass(frozen=True)
class Run:
    said: list[str]
    gateway: str
    folder: Path

    def to_paste(self, path: str) -> str:
        (line,) = [line for line in self.said if line.startswith("curl ") and path in line]
        return line


def pasted(line: str) -> str:
    """What a line says when a person pastes it into a shell that has the gateway's key."""
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env=os.environ | {"LITELLM_MASTER_KEY": MASTER_KEY},
        capture_output=True,
        text=True,
        check=True,
    )
    heard("make run", done.stdout)
    return done.stdout


@contextmanager
def make_run(folder: Path) -> Iterator[Run]:
    """The runner, started in this folder; after the block nothing of it is left."""
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "PORT", "TOOL_GATEWAY_PORT")}
    keys = {"LITELLM_MASTER_KEY": MASTER_KEY, "AZURE_API_KEY": PROVIDER_KEY}
    keys |= {"ANTHROPIC_API_KEY": PROVIDER_KEY, "GEMINI_API_KEY": "", "OPENAI_API_KEY": ""}
    with subprocess.Popen(
        [GATEWAY_PYTHON, "-m", "local", "run", "--api-python", API_PYTHON],
        cwd=folder,
        env=os.environ | ports | keys,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as runner:
        assert runner.stdout is not None
        said = []
        try:
            for line in runner.stdout:
                said.append(line.rstrip("\n"))
                if said[-1].startswith("Ctrl-C"):
                    break
            else:
                raise AssertionError("\n".join(said))
            yield Run(said, f"http://127.0.0.1:{ports['GATEWAY_PORT']}/v1", folder)
        finally:
            runner.send_signal(signal.SIGINT)
            last, _ = runner.communicate(timeout=15)
            heard("make run", "\n".join([*said, last]))
            keep(*what_was_left_in(folder / ".run" / ports["GATEWAY_PORT"]))
    assert (runner.returncode, last) == (0, "stopped\n")
    assert not processes_with(str(folder))


def processes_with(text: str) -> dict[str, str]:
    """The environment of each process that works in, or was started with, `text`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
            if text in command or text == str((process / "cwd").readlink()):
                found[command] = (process / "environ").read_text()
        except OSError:
            continue
    return found


def processes_of(pattern: str) -> list[int]:
    """The ids of the processes whose command line matches."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if re.search(pattern, command) and "die_with_parent" not in command:
            found.append(int(process.name))
    return found
