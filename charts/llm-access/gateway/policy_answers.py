"""A refusal as LiteLLM answers it."""

import logging
from typing import NoReturn

from litellm.proxy._types import ProxyException  # noqa: TID251 - runs inside LiteLLM

from policy_refusal import Refusal

logger = logging.getLogger("gateway.policy")


def refuse(error: Exception) -> NoReturn:
    """
    Raises:
        ProxyException: always; what the policy did not foresee lets nothing pass either.
    """
    if not isinstance(error, Refusal):
        logger.error("the policy failed, and the call with it", exc_info=error)
        error = Refusal(503, "policy_failed", "The gateway's policy failed; its log says why.")
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    raise ProxyException(
        error.message, type=error.kind, param=None, code=error.status, headers=headers
    ) from None
