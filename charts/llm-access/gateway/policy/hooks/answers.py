"""A refusal as LiteLLM answers it."""

import logging
from typing import NoReturn

from litellm.proxy._types import ProxyException  # noqa: TID251 - runs inside LiteLLM

from policy.refusal import Refusal

logger = logging.getLogger("gateway.policy")


def refuse(error: Exception) -> NoReturn:
    """
    Raises:
        ProxyException: always; what the policy did not foresee lets nothing pass either.
    """
    refusal = foreseen(error)
    headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    raise ProxyException(
        refusal.message, type=refusal.kind, param=None, code=refusal.status, headers=headers
    ) from None


def foreseen(error: Exception) -> Refusal:
    """What its caller is told; of what the policy did not foresee, that it failed."""
    if isinstance(error, Refusal):
        return error
    logger.error("the policy failed, and the call with it", exc_info=error)
    return Refusal(503, "policy_failed", "The gateway's policy failed; its log says why.")
