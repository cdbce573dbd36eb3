"""Traces in Langfuse: one generation for each attempt at a provider, none for a refused call.

LiteLLM takes its own `langfuse` from its config whether the variables are there or not, and then
sends to its vendor's cloud.
"""

import functools
import logging
import os
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger

from policy.outcomes import asked_at, written

logger = logging.getLogger("gateway.policy")

VARIABLES = ("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")


@functools.cache
def turn_on() -> None:
    """Where all three variables are there; once for the process."""
    environ = os.environ
    missing = [name for name in VARIABLES if not environ.get(name)]
    if not missing:
        litellm.logging_callback_manager.add_litellm_callback(Langfuse())
    elif len(missing) < len(VARIABLES):
        logger.warning("no traces in Langfuse without %s", " and ".join(missing))


class Langfuse(CustomLogger):  # type: ignore[misc]
    """LiteLLM's own callback `langfuse`, for attempts alone.

    Left to itself it also traces what was refused, and does so twice: with a wrong key too, whose
    owner would write into the traces what he likes.
    """

    def __init__(self) -> None:
        from litellm.integrations.langfuse.langfuse_prompt_management import (  # noqa: PLC0415
            LangfusePromptManagement,  # its imports cost a second
        )

        super().__init__()
        self.langfuse = LangfusePromptManagement()

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        if is_ours(kwargs):
            # 1. LiteLLM has a streamed second attempt begin where the first one did.
            began = asked_at(kwargs) or start_time
            await self.langfuse.async_log_success_event(kwargs, response_obj, began, end_time)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        if asked_at(kwargs) and is_ours(kwargs):
            await self.langfuse.async_log_failure_event(kwargs, response_obj, start_time, end_time)


def is_ours(details: dict[str, Any]) -> bool:
    """Whether the gateway records this call; a service that does so itself says that it does."""
    return written(details).get("langfuse_generations") != "service"
