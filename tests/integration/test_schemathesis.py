"""Thousands of requests for each route: no failure of ours, and no answer outside the document."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fuzzing import OPERATIONS, fuzz, fuzzed_api

CASES = 2000


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with fuzzed_api() as found:
        yield found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_two_thousand_requests_get_no_answer_outside_the_document(
    url: str, operation: str, tmp_path: Path
) -> None:
    said = await fuzz(url, [operation], CASES, tmp_path, seed=random.randrange(2**32))  # noqa: S311
    assert (said.exit_code, said.failures) == (0, 0), said.words
    assert said.cases >= CASES
