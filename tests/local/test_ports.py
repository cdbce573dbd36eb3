"""A port that is taken is one line that names the variable to set, before anything is started."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.run.ports import (
    KEPT_SECONDS,
    PortError,
    can_be_bound,
    chosen_port,
    claim,
    free_port,
    lately_given,
)

ROOT = Path(__file__).resolve().parents[2]
MAKES = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR"}


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def gateway(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
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


@pytest.mark.parametrize("command", ["run", "gateway"])
def test_a_taken_port_is_said_before_anything_is_set_up(
    tmp_path: Path, taken: int, command: str
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "packages" / "local" / "src", tmp_path / "packages" / "local" / "src")
    before = sorted(tmp_path.iterdir())
    arguments = f"--overlay more.yaml --port {taken}"
    # The tests may be a command of make's themselves: a make within a make names its level.
    own = {name: value for name, value in os.environ.items() if name not in MAKES}
    ended = subprocess.run(
        ["/usr/bin/env", "make", command, f"ARGS={arguments}", "PYTHON=/usr/bin/env python3"],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    said, of_make = ended.stderr.splitlines()
    assert said.startswith(f"gateway: port {taken} is taken; set GATEWAY_PORT to another")
    assert of_make.startswith("make: ***")
    assert sorted(tmp_path.iterdir()) == before


def test_two_parts_cannot_have_the_same_port() -> None:
    port = free_port()
    with pytest.raises(PortError, match="set PORT to another"):
        claim({"GATEWAY_PORT": port, "PORT": port})


def test_the_tool_gateways_port_is_taken(tmp_path: Path, taken: int) -> None:
    ended = gateway(
        tmp_path,
        *("run", "--api-python", sys.executable, "--port", str(free_port())),
        PORT=str(free_port()),
        TOOL_GATEWAY_PORT=str(taken),
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        f"gateway: port {taken} is taken; set TOOL_GATEWAY_PORT to another"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80a", "٨٠", " 80"])
def test_a_senseless_port_is_one_line_that_names_the_variable(value: str) -> None:
    with pytest.raises(PortError, match=r"^PORT is not a port: "):
        chosen_port({"PORT": value}, "PORT", 8000)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert chosen_port({"PORT": ""}, "PORT", 8000) == 8000


def test_a_free_port_is_never_one_that_an_outgoing_connection_may_get() -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(given.read_text().split()[0]) if given.exists() else 49_152
    assert all(free_port() < lowest for _ in range(50))


def test_a_port_that_is_listened_on_is_not_free(taken: int) -> None:
    with pytest.raises(PortError, match=f"no port of .{taken}. is free"):
        free_port([taken])


def test_a_port_is_given_once_though_nobody_listens_on_it_yet() -> None:
    first = free_port()
    with pytest.raises(PortError):
        free_port([first])


def test_another_process_is_not_given_it_either() -> None:
    asked = "import sys; from local.run.ports import free_port; free_port([int(sys.argv[1])])"
    command = [sys.executable, "-c", asked, str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PortError: no port of" in ended.stderr


def test_a_port_that_was_claimed_is_not_given() -> None:
    port = next(port for port in range(19_000, 20_000) if can_be_bound(port))
    claim({"PORT": port})
    with pytest.raises(PortError):
        free_port([port])


def test_after_a_while_a_port_is_given_again() -> None:
    port = free_port()
    with lately_given() as given:
        given[port] -= KEPT_SECONDS
    assert free_port([port]) == port


def asking_for_ports(folder: Path) -> subprocess.Popen[str]:
    """A process that asks for twenty of two hundred, with a list of its own folder's."""
    asked = "[free_port(range(18_000, 18_200)) for _ in range(20)]"
    return subprocess.Popen(
        [sys.executable, "-c", f"from local.run.ports import free_port; print({asked})"],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_many_at_once_are_given_different_ones(tmp_path: Path) -> None:
    several = [asking_for_ports(tmp_path) for _ in range(4)]
    given = [port for each in several for port in json.loads(each.communicate()[0])]
    assert len(given) == len(set(given)) == 80


def test_a_list_that_was_cut_off_is_begun_anew(tmp_path: Path) -> None:
    asking_for_ports(tmp_path).communicate()
    (file,) = tmp_path.iterdir()
    file.write_text('{"2000')
    given = json.loads(asking_for_ports(tmp_path).communicate()[0])
    assert json.loads(file.read_text()).keys() == {str(port) for port in given}
