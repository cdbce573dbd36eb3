"""Ten thousand calls of every kind, and not a cent between what was booked and what was told."""

import pytest

from asking import Caller
from mixed_calls import assert_reconciled


@pytest.mark.timeout(1200)
async def test_the_sum_by_project_of_10000_mixed_calls_is_that_of_their_receipts(
    service: Caller,
) -> None:
    await assert_reconciled(service, 10_000, "many")
