"""What LiteLLM answers for the policy: a refusal, and with each answer on whom it is booked."""

import logging
import re
from typing import Any, NoReturn

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException

from policy import HEADER_PREFIX
from policy.refusal import Refusal

logger = logging.getLogger("gateway.policy")

HEADER_SAFE = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")


class Attribution(CustomLogger):  # type: ignore[misc]
    """Sends back the attribution that LiteLLM's own loggers see for the same call."""

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], **_: object
    ) -> dict[str, str]:
        """The headers to add to an answer, a stream's or an error's.

        Args:
            data: the request as LiteLLM processed it; its metadata is what gets booked. What is
                not safe in a header is left out.
        """
        metadata = data.get("litellm_metadata") or data.get("metadata") or {}
        headers = {
            f"{HEADER_PREFIX}project-id": metadata.get("project_id"),
            f"{HEADER_PREFIX}solution": metadata.get("solution"),
        }
        return {
            name: value
            for name, value in headers.items()
            if isinstance(value, str) and HEADER_SAFE.fullmatch(value)
        }


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
