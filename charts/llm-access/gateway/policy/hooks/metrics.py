"""Counts and books what LiteLLM tells its loggers: every attempt once, a stream at its end."""

import functools
from datetime import UTC, datetime
from typing import Any

from litellm.integrations.custom_logger import CustomLogger  # noqa: TID251 - runs inside LiteLLM
from prometheus_client import REGISTRY

from policy.collectors import Meters
from policy.hooks.finish_reasons import is_cut
from policy.outcomes import Outcome, outcome
from policy.state import state

SUCCEEDED, CUT, FAILED = "200", "502", "500"
"""The statuses where LiteLLM says none."""


class Metrics(CustomLogger):  # type: ignore[misc]
    """Feeds `collectors.py`, for LiteLLM's `/metrics`, and the ledger of what was used."""

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: object, end_time: datetime, **_: object
    ) -> None:
        status = CUT if is_cut(kwargs, response_obj) else SUCCEEDED
        count(outcome(kwargs, end_time, state().config.aliases, status))

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], end_time: datetime, **_: object
    ) -> None:
        count(outcome(kwargs, end_time, state().config.aliases, FAILED))


def count(said: Outcome) -> None:
    state().booking.add(said, datetime.now(UTC))
    meters().count(said)


@functools.cache
def meters() -> Meters:
    """Those of the process: entry.py is imported several times, a collector can be made once."""
    return Meters(REGISTRY)
