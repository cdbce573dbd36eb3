"""What the config names: `policy.hooks.entry.admission` and the others, for LiteLLM to call.

LiteLLM imports this module anew for each name in the config. What is to be there once for the
process is in modules that are imported the ordinary way.
"""

import re
import sys
from pathlib import Path
from typing import Any

import litellm  # noqa: TID251 - runs inside LiteLLM
from litellm.integrations.custom_logger import CustomLogger  # noqa: TID251

if str(Path(__file__).parents[2]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parents[2]))

from policy.hooks import metrics_route, trace_exports, usage_route
from policy.hooks.admission import Admission
from policy.hooks.auth import authenticated
from policy.hooks.fallback import Fallback
from policy.hooks.finish_reasons import FinishReasons
from policy.hooks.metrics import Metrics
from policy.rules import prices
from policy.state import model_list, state

__all__ = ["admission", "attribution", "authenticated", "fallback", "finish_reasons", "metrics"]

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
            "x-llm-access-project-id": metadata.get("project_id"),
            "x-llm-access-solution": metadata.get("solution"),
        }
        return {
            name: value
            for name, value in headers.items()
            if isinstance(value, str) and HEADER_SAFE.fullmatch(value)
        }


def has_price(model: str) -> bool:
    """Whether LiteLLM knows what this model of a provider costs."""
    try:
        known = litellm.model_cost[litellm.get_model_info(model)["key"]]
    except Exception:  # noqa: BLE001 - that is how LiteLLM says that it does not know it
        return False
    return all(known.get(cost) is not None for cost in prices.COSTS)


state()
prices.require(model_list(), has_price)
admission = Admission()
attribution = Attribution()
fallback = Fallback()
finish_reasons = FinishReasons()
metrics = Metrics()
trace_exports.turn_on()
metrics_route.serve()
usage_route.serve()
