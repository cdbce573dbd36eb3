"""Keeps what is not served out of LiteLLM's router, and so out of its fallbacks and its lists.

LiteLLM makes the router after it imported the policy, from a config that the policy cannot reach,
and then calls nothing of ours before the first request.
"""

import functools

from litellm.proxy import proxy_server  # noqa: TID251 - runs inside LiteLLM

from policy.state import model_list, resolved, served


@functools.cache
def leave_out_unserved() -> None:
    """Once for the process. When it fails it is tried anew, and no request passes before."""
    if len(served()) < len(model_list()):
        entries = resolved()
        proxy_server.llm_router.set_model_list([entries[place] for place in served()])
