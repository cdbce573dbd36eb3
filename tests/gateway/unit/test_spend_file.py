"""What was spent is in the file within half a second, and a torn file is no loss."""

import asyncio
import time
from pathlib import Path

import pytest

from policy.ledgers.spend_file import WRITES_EVERY, SpendFile, as_text, opened, write
from policy.refusal import PolicyError

NAME, MONTH = "model m", "2026-11"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spend.json"


def spent(path: Path) -> float:
    """What the next start knows."""
    return asyncio.run(opened(path).spent([NAME], MONTH))[0]


def save(kept: SpendFile, usd: float) -> None:
    async def booked() -> None:
        await kept.add([NAME], usd, MONTH)
        assert kept.writer is not None
        await kept.writer

    asyncio.run(booked())


async def test_many_bookings_are_few_writes(path: Path) -> None:
    kept, seen, began = opened(path), set(), time.monotonic()
    for _ in range(250):
        await kept.add([NAME], 0.01, MONTH)
        seen.add(kept.at)
        await asyncio.sleep(0.005)
    assert kept.writer is not None
    await kept.writer
    assert 2 <= len(seen) <= 2 + (time.monotonic() - began) / WRITES_EVERY
    assert (await opened(path).spent([NAME], MONTH))[0] == pytest.approx(2.5)


def test_the_next_start_knows_what_was_spent(path: Path) -> None:
    save(opened(path), 0.5)
    assert spent(path) == 0.5


@pytest.mark.parametrize("torn", ["", '{"month": "2026-11", "us', "[]", '{"month": "2026-11"}'])
def test_of_a_torn_file_the_one_before_is_taken(
    path: Path, torn: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = opened(path)
    save(kept, 0.5)
    write(path, as_text(kept.spend))
    path.write_text(torn)
    assert spent(path) == 0.5
    assert "torn" in caplog.text
    assert spent(path) == 0.5


def test_a_file_that_nobody_can_read_ends_the_start(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(PolicyError, match="remove it to begin this month anew"):
        opened(path)


def test_a_folder_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be written"):
        opened(tmp_path / "missing" / "spend.json")
