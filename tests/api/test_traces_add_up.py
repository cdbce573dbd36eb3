"""A trace for each call, a generation for each attempt, and the cost as its caller was told it."""

from collections.abc import AsyncIterator

import pytest

from conftest import RunningProvider
from traced_calls import Traced, assert_traces_add_up, traced_gateway

CALLS = 60


@pytest.fixture(scope="module")
async def traced(provider: RunningProvider) -> AsyncIterator[Traced]:
    async with traced_gateway(provider) as running:
        yield running


@pytest.mark.parametrize("records", ["gateway", "service"])
async def test_each_call_is_a_trace_and_each_attempt_a_generation(
    traced: Traced, lane: str, records: str
) -> None:
    await assert_traces_add_up(traced, CALLS, lane=lane, records=records)
