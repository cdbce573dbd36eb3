"""The processes of a run end together, and whatever happens none of them is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.run.ports import free_port
from local.run.supervision import ProcessError, Supervision

# Two processes, one of them with a process of its own; says all their ids when they run.
RUN = """
import sys, time
from pathlib import Path
from local.run.supervision import Interrupted, Supervision
folder = Path(sys.argv[1])
say = "import os, pathlib, time; pathlib.Path({!r}).write_text(str(os.getpid()));"
alone = say.format(str(folder / "alone.pid")) + "time.sleep(60)"
child = say.format(str(folder / "child.pid")) + "time.sleep(60)"
parent = say.format(str(folder / "parent.pid"))
parent += f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
with Supervision(folder) as supervision:
    supervision.end_on_signals()
    for name, code in ("alone", alone), ("parent", parent):
        supervision.start(name, [sys.executable, "-c", code], {})
    try:
        supervision.watch()
    except Interrupted:
        print("interrupted")
"""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return sys.platform != "linux"
    return not state.startswith("Z")


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_no_process_is_left_when_the_runner_gets_a_signal(tmp_path: Path, ending: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path], stdout=subprocess.PIPE, text=True
    ) as runner:
        files = [tmp_path / f"{name}.pid" for name in ("alone", "parent", "child")]
        assert within(10, lambda: all(file.exists() and file.read_text() for file in files))
        pids = [int(file.read_text()) for file in files]
        assert all(runs(pid) for pid in pids)
        runner.send_signal(signal.Signals[ending])
        said, _ = runner.communicate(timeout=10)
    assert within(10, lambda: not any(runs(pid) for pid in pids))
    if ending != "SIGKILL":
        assert (runner.returncode, said) == (0, "interrupted\n")


def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    with Supervision(tmp_path) as supervision:
        process = supervision.start("deaf", [sys.executable, "-c", deaf], {})
        assert supervision.watch(lambda: process.log.read_text().endswith("\n"), seconds=10)
        began = time.monotonic()
    assert within(1, lambda: not runs(int(process.log.read_text())))
    assert time.monotonic() - began < 7


def test_a_process_that_dies_is_named_with_its_exit_code_and_its_last_lines(tmp_path: Path) -> None:
    dying = "import sys; [print('line', n) for n in range(40)]; sys.exit('out of luck')"
    with Supervision(tmp_path) as supervision:
        supervision.start("other", [sys.executable, "-c", "import time; time.sleep(60)"], {})
        supervision.start("local LLM", [sys.executable, "-c", dying], {"PYTHONUNBUFFERED": "1"})
        with pytest.raises(ProcessError) as raised:
            supervision.watch(seconds=10)
    first, *last = str(raised.value).splitlines()
    log = tmp_path / "local-LLM.log"
    assert first == f"local LLM ended with exit code 1; its last lines ({log}):"
    assert last == [f"  | line {n}" for n in range(26, 40)] + ["  | out of luck"]


def test_a_process_that_is_killed_is_named_with_the_signal(tmp_path: Path) -> None:
    suicide = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with Supervision(tmp_path) as supervision:
        supervision.start("gateway", [sys.executable, "-c", suicide], {})
        with pytest.raises(ProcessError, match="gateway was ended by SIGKILL; its last lines"):
            supervision.watch(seconds=10)


def test_a_process_that_dies_while_another_is_waited_for_is_named(tmp_path: Path) -> None:
    with Supervision(tmp_path) as supervision:
        slow = supervision.start("slow", [sys.executable, "-c", "import time; time.sleep(60)"], {})
        supervision.start("API", [sys.executable, "-c", "raise SystemExit(3)"], {})
        with pytest.raises(ProcessError, match="API ended with exit code 3"):
            supervision.wait_until_ready(slow, free_port(), ["/health"], seconds=10)


def test_a_process_that_never_gets_ready_is_named_with_the_patience(tmp_path: Path) -> None:
    with Supervision(tmp_path) as supervision:
        mute = supervision.start("API", [sys.executable, "-c", "import time; time.sleep(60)"], {})
        with pytest.raises(ProcessError, match=r"API was not ready within 0\.3 seconds"):
            supervision.wait_until_ready(mute, free_port(), ["/health"], seconds=0.3)


def test_a_process_gets_the_environment_it_is_given_and_no_more(tmp_path: Path) -> None:
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    with Supervision(tmp_path) as supervision:
        process = supervision.start("show", [sys.executable, "-c", show], {"ONE": "1"})
        with pytest.raises(ProcessError, match="exit code 0"):
            supervision.watch(seconds=10)
    names = set(json.loads(process.log.read_text()))
    assert "ONE" in names
    assert not names & {"HOME", "PATH"}
    assert os.environ["PATH"]
