"""Which models a caller may use. An alias that the config does not list does not exist."""

from collections.abc import Mapping, Sequence
from typing import Any

from policy.refusal import Refusal

OTHER_MODELS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
"""Fields of LiteLLM's own that would let a request name a model past its `model`."""


def check(body: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """
    Args:
        allowed: the aliases that the caller may use.

    Returns:
        The alias that is asked.

    Raises:
        Refusal: 400.
    """
    for field in OTHER_MODELS:
        if body.get(field):
            message = f"{field}: only the gateway's config says which model answers for another."
            raise Refusal(400, "invalid_request_error", message)
    alias = body.get("model")
    if isinstance(alias, str) and alias in allowed:
        return alias
    listed = ", ".join(allowed) or "none"
    raise Refusal(400, "model_not_allowed", f"Model not allowed. Allowed are: {listed}")
