"""No request chooses a callback.

LiteLLM would send this call, and with `callbacks` every later one of everybody, to whom the request
names. It would do so for a wrong key too, because it also traces what it refuses.
"""

from collections.abc import MutableMapping
from typing import Any

from policy.refusal import Refusal

FIELDS = ("callbacks", "success_callback", "failure_callback", "input_callback", "logger_fn")


def take_out(scope: MutableMapping[str, Any]) -> None:
    """Takes them out of the body where LiteLLM keeps it, also for the trace of a refusal.

    Args:
        scope: of the request; LiteLLM has read its body by the time that it asks who calls.

    Raises:
        Refusal: 400, there was one.
    """
    kept = scope.get("parsed_body")
    body = kept[1] if isinstance(kept, tuple) else {}
    found = [field for field in FIELDS if body.get(field)]
    for field in found:
        body[field] = None
    if found:
        message = f"{', '.join(found)}: only the gateway's config chooses callbacks."
        raise Refusal(400, "invalid_request_error", message)
