"""The gateway's container waits for the service to be gone, and not for ever."""

import socket
import subprocess
import sys
import time

import pytest

from local.run.ports import free_port
from rendering import SOLUTION

SCRIPT = SOLUTION / "gateway" / "pre_stop.py"


def waiting(port: int, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, SCRIPT, str(port), str(seconds)])


def test_it_waits_as_long_as_the_service_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        process = waiting(service.getsockname()[1], 60)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
    assert process.wait(30) == 0


def test_it_does_not_wait_for_a_service_that_is_gone() -> None:
    began = time.monotonic()
    assert waiting(free_port(), 600).wait(60) == 0
    assert time.monotonic() - began < 60


def test_it_waits_no_longer_than_it_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        assert waiting(service.getsockname()[1], 0.5).wait(60) == 0
