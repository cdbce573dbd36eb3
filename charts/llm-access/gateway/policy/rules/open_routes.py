"""Which routes of LiteLLM a key reaches.

LiteLLM makes none of its own checks for the callers of a `custom_auth`, so what is not listed
here is closed: to the master key every call of a model that the policy's hooks would not see, and
to a project's key everything else.
"""

from policy.refusal import Refusal

COMPLETIONS = frozenset(
    prefix + route
    for prefix in ("", "/v1")
    for route in ("/chat/completions", "/completions", "/embeddings", "/responses")
) | {"/v1/messages"}
"""Every call of these passes `async_pre_call_hook` with its model and its metadata."""

LISTS = frozenset({"/models", "/v1/models"})

CLOSED = frozenset({"/health", "/get/config/callbacks"})
"""The first calls every model, on nobody's account; `/health/readiness` does not. The second shows
the secret key of Langfuse."""


def check(method: str, route: str | None, *, calls_models: bool, is_master: bool) -> None:
    """
    Args:
        route: as LiteLLM declares it; None when that is not known.
        calls_models: what LiteLLM says of it, which does not know all of its own that write.

    Raises:
        Refusal: 403.
    """
    if (method == "POST" and route in COMPLETIONS) or (method == "GET" and route in LISTS):
        return
    if is_master and method == "GET" and not calls_models and route not in CLOSED:
        return
    raise Refusal(403, "route_not_served", "This gateway does not serve this route to this key.")
