"""Who a key is, by the file as it is at that moment."""

import os
from pathlib import Path

import pytest

from policy.refusal import Refusal
from policy.rules.project_keys import LOOKS_EVERY, Caller, ProjectKeys

MASTER = "sk-master-0123456789"
ONE, TWO = "sk-one-0123456789", "sk-two-0123456789"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> ProjectKeys:
    (tmp_path / "keys").write_text(f"one: {ONE}\n")
    return ProjectKeys(tmp_path / "keys", MASTER, clock)


def status(keys: ProjectKeys, key: str) -> int:
    with pytest.raises(Refusal) as refused:
        keys.caller(key)
    return refused.value.status


def write(keys: ProjectKeys, clock: Clock, text: str) -> None:
    assert keys.path is not None
    keys.path.write_text(text)
    clock.now += LOOKS_EVERY


def test_each_key_says_who_calls(keys: ProjectKeys) -> None:
    assert (keys.caller(MASTER), keys.caller(ONE)) == (Caller(None), Caller("one"))
    assert status(keys, TWO) == 401


def test_without_a_file_there_is_the_master_key_alone() -> None:
    keys = ProjectKeys(None, MASTER)
    assert keys.caller(MASTER) == Caller(None)
    assert status(keys, ONE) == 401


def test_the_file_is_looked_at_again_and_not_at_every_call(keys: ProjectKeys, clock: Clock) -> None:
    keys.caller(ONE)
    assert keys.path is not None
    keys.path.write_text(f'{{"one": "{TWO}"}}')
    assert keys.caller(ONE) == Caller("one")
    clock.now += LOOKS_EVERY
    assert status(keys, ONE) == 401
    assert keys.caller(TWO) == Caller("one")


def test_a_mounted_secret_changes_by_its_link(tmp_path: Path, clock: Clock) -> None:
    for version, key in ("1", ONE), ("2", TWO):
        (tmp_path / version).write_text(f"one: {key}\n")
        os.utime(tmp_path / version, (1, 1))
    link = tmp_path / "keys"
    link.symlink_to("1")
    keys = ProjectKeys(link, MASTER, clock)
    assert keys.caller(ONE) == Caller("one")
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(link)
    clock.now += LOOKS_EVERY
    assert keys.caller(TWO) == Caller("one")


@pytest.mark.parametrize(
    "text",
    [
        "one: [",
        "- one",
        "one: short",
        "one: 12345678901234567890",
        f"one: {ONE}\ntwo: {ONE}",
        f"one: {MASTER}",
        f"{ONE}: one",
    ],
    ids=["torn", "list", "short", "number", "twice", "master", "the wrong way round"],
)
def test_a_file_that_cannot_be_used_closes_and_opens_again(
    keys: ProjectKeys, clock: Clock, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys.caller(ONE)
    write(keys, clock, text)
    assert [status(keys, ONE), status(keys, "sk-else")] == [503, 503]
    assert keys.caller(MASTER) == Caller(None)
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert [key for key in (ONE, MASTER) if key in caplog.text] == []
    write(keys, clock, f"one: {ONE}\n")
    assert keys.caller(ONE) == Caller("one")


def test_a_file_that_is_gone_closes(keys: ProjectKeys, clock: Clock) -> None:
    keys.caller(ONE)
    assert keys.path is not None
    keys.path.unlink()
    clock.now += LOOKS_EVERY
    assert status(keys, ONE) == 503
