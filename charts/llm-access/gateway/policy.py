"""What this gateway adds to LiteLLM, which imports it from beside the config.

Every answer says on whom the call is booked, so a caller can prove that its attribution arrived.
"""

import re
from typing import Any

from litellm.integrations.custom_logger import CustomLogger  # noqa: TID251 - runs inside LiteLLM

HEADER_SAFE = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")


class Attribution(CustomLogger):  # type: ignore[misc]
    """Sends back the attribution that LiteLLM's own loggers see for the same call."""

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], **_: object
    ) -> dict[str, str]:
        """The headers to add to an answer, a stream's or an error's.

        Args:
            data: the request as LiteLLM processed it; its `metadata` is what gets booked. What is
                not safe in a header is left out.
        """
        metadata = data.get("metadata") or {}
        headers = {
            "x-llm-access-project-id": metadata.get("project_id"),
            "x-llm-access-solution": metadata.get("solution"),
        }
        return {
            name: value
            for name, value in headers.items()
            if isinstance(value, str) and HEADER_SAFE.fullmatch(value)
        }


attribution = Attribution()
