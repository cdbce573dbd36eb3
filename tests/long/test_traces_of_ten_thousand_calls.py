"""Ten thousand calls of every kind: a trace for each, and the cost as its caller was told it."""

from collections.abc import AsyncIterator

import pytest

from conftest import RunningProvider
from traced_calls import Traced, assert_traces_add_up, traced_gateway

CALLS_OF_EACH_WAY = 2500


@pytest.fixture(scope="module")
async def traced(provider: RunningProvider) -> AsyncIterator[Traced]:
    async with traced_gateway(provider) as running:
        yield running


@pytest.mark.parametrize("records", ["gateway", "service"])
async def test_both_lanes_and_both_who_record_add_up(
    traced: Traced, lane: str, records: str
) -> None:
    await assert_traces_add_up(traced, CALLS_OF_EACH_WAY, lane=lane, records=records)
