"""What this gateway adds to LiteLLM, which imports it from beside the config.

Who may call, which models, on whose account and for how much; every answer says on whom it is
booked. Each concern is a module of its own beside this one, named `policy_*`.
"""

import re
import sys
from pathlib import Path
from typing import Any

import litellm  # noqa: TID251 - runs inside LiteLLM
from litellm.integrations.custom_logger import CustomLogger  # noqa: TID251

if str(Path(__file__).parent) not in sys.path:
    sys.path.append(str(Path(__file__).parent))

import policy_exports
import policy_prices
import policy_scrape
import policy_usage_route
from policy_admission import Admission
from policy_callers import authenticated
from policy_finish_reasons import FinishReasons
from policy_metrics import Metrics
from policy_state import model_list, state

__all__ = ["admission", "attribution", "authenticated", "finish_reasons", "metrics"]

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
    return all(known.get(cost) is not None for cost in policy_prices.COSTS)


state()
policy_prices.require(model_list(), has_price)
admission = Admission()
attribution = Attribution()
finish_reasons = FinishReasons()
metrics = Metrics()
policy_exports.turn_on()
policy_scrape.serve()
policy_usage_route.serve()
