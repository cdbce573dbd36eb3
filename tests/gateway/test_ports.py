"""A port that is taken is one line that names the variable to set, before anything is started."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ports import PortError, chosen_port, claim, free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def gateway(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_gateways_port_is_taken(tmp_path: Path, taken: int) -> None:
    ended = gateway(tmp_path, "serve", GATEWAY_PORT=str(taken))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"gateway: port {taken} is taken; set GATEWAY_PORT to another, "
        f"as in GATEWAY_PORT={taken + 1}\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_apis_port_is_taken(tmp_path: Path, taken: int) -> None:
    ended = gateway(
        tmp_path,
        *("run", "--api-python", sys.executable, "--port", str(free_port())),
        PORT=str(taken),
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"gateway: port {taken} is taken; set PORT to another")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_two_parts_cannot_have_the_same_port() -> None:
    port = free_port()
    with pytest.raises(PortError, match="set PORT to another"):
        claim({"GATEWAY_PORT": port, "PORT": port})


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80a", "٨٠", " 80"])
def test_a_senseless_port_is_one_line_that_names_the_variable(value: str) -> None:
    with pytest.raises(PortError, match=r"^PORT is not a port: "):
        chosen_port({"PORT": value}, "PORT", 8000)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert chosen_port({"PORT": ""}, "PORT", 8000) == 8000
