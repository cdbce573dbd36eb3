"""What LiteLLM made of `model_list`; its router, and so its fallbacks and lists, without the rest.

LiteLLM makes the router after it imported the policy, from a config that the policy cannot reach,
and then calls nothing of ours before the first request.
"""

import functools
from typing import Any

from litellm.proxy import proxy_server

from policy.state import state


def resolved() -> list[dict[str, Any]]:
    """`model_list` as LiteLLM read it, with the values of its variables."""
    return list(proxy_server.proxy_config.get_config_state()["model_list"] or ())


@functools.cache
def leave_out_unserved() -> None:
    """Once for the process. When it fails it is tried anew, and no request passes before."""
    entries, served = resolved(), state().served
    if len(served) < len(entries):
        proxy_server.llm_router.set_model_list([entries[place] for place in served])
