"""Lets a call pass, or says why not, before anything is paid for; then books what it used."""

import functools
import logging
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth
from prometheus_client import REGISTRY

from policy.collectors import BudgetCollectors
from policy.hooks.answers import refuse
from policy.hooks.auth import KEY_PROJECT
from policy.refusal import Refusal
from policy.rules import attribution, budgets, model_allowlist
from policy.state import state

logger = logging.getLogger("gateway.policy")

RETRY_AFTER = "policy_retry_after"
CLOSED_SECONDS = 30
RETRY_SECONDS = 5


class Admission(CustomLogger):  # type: ignore[misc]
    async def async_pre_call_hook(
        self, user_api_key_dict: UserAPIKeyAuth, data: dict[str, Any], **_: object
    ) -> None:
        """
        Raises:
            ProxyException: the call does not pass.
        """
        try:
            await admit(data, user_api_key_dict.metadata.get(KEY_PROJECT))
        except Exception as error:  # noqa: BLE001 - `refuse` lets nothing pass
            refuse(error)

    async def async_post_call_success_hook(self, data: dict[str, Any], **_: object) -> None:
        await state().settling.wait(call_of(data))

    async def async_post_call_streaming_iterator_hook(
        self, response: Any, request_data: dict[str, Any], **_: object
    ) -> AsyncGenerator[Any]:
        async for chunk in response:
            yield chunk
        await state().settling.wait(call_of(request_data))

    async def async_log_success_event(
        self, kwargs: dict[str, Any], *_: object, **__: object
    ) -> None:
        """A whole answer, a stream at its end, or what there was of it when its reader left."""
        await book(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], *_: object, **__: object
    ) -> None:
        """A stream that was cut has been paid for as far as it came."""
        await book(kwargs)

    async def async_post_call_failure_hook(
        self, request_data: dict[str, Any], original_exception: Exception, **_: object
    ) -> None:
        """Keeps when to come back for the headers of the answer, where LiteLLM renames it."""
        if getattr(original_exception, "status_code", None) != 429:
            return
        response = getattr(original_exception, "response", None)
        for headers in (
            getattr(original_exception, "litellm_response_headers", None),
            getattr(response, "headers", None),
        ):
            wait = (headers or {}).get("retry-after", "")
            if wait.isascii() and wait.isdecimal():
                request_data[RETRY_AFTER] = wait
                return

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], **_: object
    ) -> dict[str, str]:
        wait = data.get(RETRY_AFTER)
        return {"retry-after": wait} if wait else {}


async def admit(data: dict[str, Any], key_project: str | None) -> None:
    """
    Args:
        data: the request's body, with LiteLLM's own fields in it.
        key_project: the only project that the key speaks for; None speaks for all.

    Raises:
        Refusal: the call does not pass.
    """
    config, now = state().config, datetime.now(UTC)
    if time.monotonic() - state().settling.failed_at < CLOSED_SECONDS:
        raise Refusal(503, "policy_failed", "The gateway cannot book what is used.", RETRY_SECONDS)
    attributed = attribution.attribution(data, key_project)
    attribution.write(attributed, data)
    alias = model_allowlist.check(data, config.models(attributed.project))
    try:
        attribution.require(attributed)
    except Refusal as refusal:
        if config.required:
            raise
        logger.warning("passed all the same: %s", refusal.message)
    project = attributed.project
    binding = config.budgets_of(alias, project)
    await budgets.check(state().ledger, binding, now, budget_collectors().note)
    state().limits.admit(config.limits(alias, project), time.monotonic())
    if any(budget.usd is not None for budget in binding):
        state().settling.begin(call_of(data))


@functools.cache
def budget_collectors() -> BudgetCollectors:
    """Those of the process."""
    return BudgetCollectors(REGISTRY)


async def book(kwargs: dict[str, Any]) -> None:
    """What a call has used, by LiteLLM's own account of it."""
    try:
        account = kwargs.get("standard_logging_object") or {}
        metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
        await spend(
            attribution.name(account.get("model_group")),
            attribution.name(metadata.get("project_id")),
            float(account.get("response_cost") or 0),
            int(account.get("total_tokens") or 0),
        )
    except Exception:
        logger.exception("a call could not be booked: none passes for %d s", CLOSED_SECONDS)
        state().settling.failed_at = time.monotonic()
        raise
    finally:
        state().settling.end(call_of(kwargs))


async def spend(alias: str | None, project: str | None, usd: float, tokens: int) -> None:
    config = state().config
    state().limits.spend(config.limits(alias, project), tokens, time.monotonic())
    if usd > 0:
        names = [budget.name for budget in config.budgets_of(alias, project)]
        await state().ledger.add(names, usd, budgets.month_of(datetime.now(UTC)))


def call_of(fields: dict[str, Any]) -> str:
    return str(fields.get("litellm_call_id"))
