"""The gateway's key: from a value, or from a file that is read again when it changes."""

from pathlib import Path

import pytest

from api.gateway.key import GatewayKey


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("sk-first\n")
    return file


def replace(file: Path, content: bytes) -> None:
    """Puts a new file in the place of the old one, as a careful writer does."""
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.rename(file)


def test_a_key_that_was_given_as_a_value_stays() -> None:
    key = GatewayKey("sk-given")
    assert key.current() == key.current() == "sk-given"


def test_a_file_is_read_without_the_line_end_that_editors_leave(file: Path) -> None:
    assert GatewayKey.from_file(file).current() == "sk-first"


def test_a_file_that_is_replaced_is_read_again(file: Path) -> None:
    key = GatewayKey.from_file(file)
    assert key.current() == "sk-first"
    replace(file, b"sk-second")
    assert key.current() == "sk-second"


def test_a_secret_that_kubernetes_swaps_behind_links_is_read_again(tmp_path: Path) -> None:
    for version in ("old", "new"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "key").write_text(f"sk-{version}")
    (tmp_path / "data").symlink_to("old")
    (tmp_path / "key").symlink_to("data/key")
    key = GatewayKey.from_file(tmp_path / "key")
    assert key.current() == "sk-old"
    (tmp_path / "swap").symlink_to("new")
    (tmp_path / "swap").rename(tmp_path / "data")
    assert key.current() == "sk-new"


def test_the_last_good_key_stays_while_the_file_is_gone_or_empty(file: Path) -> None:
    key = GatewayKey.from_file(file)
    assert key.current() == "sk-first"
    file.unlink()
    assert key.current() == "sk-first"
    replace(file, b"\n")
    assert key.current() == "sk-first"
    file.unlink()
    file.mkdir()
    assert key.current() == "sk-first"
    file.rmdir()
    replace(file, b"sk-second")
    assert key.current() == "sk-second"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"sk-a\nsk-b\n", b"sk-a\0"])
def test_the_last_good_key_stays_while_the_file_holds_what_no_header_can(
    file: Path, content: bytes
) -> None:
    key = GatewayKey.from_file(file)
    assert key.current() == "sk-first"
    replace(file, content)
    assert key.current() == "sk-first"
