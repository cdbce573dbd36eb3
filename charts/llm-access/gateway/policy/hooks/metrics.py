"""Counts and books what LiteLLM tells its loggers: every attempt once, a stream at its end."""

import functools
from datetime import UTC, datetime
from typing import Any

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.proxy_server import app
from prometheus_client import REGISTRY
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from policy.collectors import CallCollectors
from policy.hooks.finish_reasons import is_cut
from policy.outcomes import Outcome, outcome
from policy.state import state

PATH = "/metrics"
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
    call_collectors().count(said)


@functools.cache
def call_collectors() -> CallCollectors:
    """Those of the process: entry.py is imported several times, a collector can be made once."""
    return CallCollectors(REGISTRY)


class MetricsRoute:
    """`/metrics` without the redirect to `/metrics/` that LiteLLM's mount makes of it.

    Asks the mount for the same, so that LiteLLM's own answer is given.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{PATH}/"
        await app.router({**scope, "path": path, "raw_path": path.encode()}, receive, send)


@functools.cache
def serve_metrics() -> None:
    """Adds the route, once for the process."""
    app.router.routes.append(Route(PATH, MetricsRoute(), methods=["GET"]))
