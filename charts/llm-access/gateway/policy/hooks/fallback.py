"""What bounds LiteLLM's fallback from one entry of an alias to the next (`order` in the config).

Every answer says how many calls to providers it took, so that a caller who counts can stop; and
a prompt that one provider refused is not sent to the next.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from litellm import exceptions
from litellm.integrations.custom_logger import CustomLogger

from policy import HEADER_PREFIX

HEADER = f"{HEADER_PREFIX}upstream-calls"
REFUSALS = (exceptions.BadRequestError, exceptions.UnprocessableEntityError)


@dataclass
class Calls:
    """Those of one request: made so far, and at most."""

    made: int = 0
    possible: int = 1


CALLS: ContextVar[Calls | None] = ContextVar("calls", default=None)


class Fallback(CustomLogger):  # type: ignore[misc]
    """LiteLLM asks for the deployments to choose from before each call to a provider."""

    async def async_pre_call_hook(self, *_: object, **__: object) -> None:
        CALLS.set(Calls())

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[dict[str, Any]],
        request_kwargs: dict[str, Any] | None = None,
        **_: object,
    ) -> list[dict[str, Any]]:
        """
        Raises:
            BadRequestError: the provider before this one refused the prompt.
        """
        if refusal := refused(model, request_kwargs or {}):
            raise refusal
        if (calls := CALLS.get()) is not None:
            orders = {entry["litellm_params"].get("order") for entry in healthy_deployments}
            calls.made += 1
            calls.possible = max(calls.made, len(orders))
        return healthy_deployments

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], response: object = None, **_: object
    ) -> dict[str, str]:
        """The headers to add to an answer, a stream's or an error's.

        A stream whose connection breaks before its first word goes on with the next provider after
        its headers are out: there it is how many calls there will be at most.
        """
        calls = CALLS.get()
        if calls is None or not calls.made:
            return {}
        is_open = response is not None and data.get("stream") and not data.get("disable_fallbacks")
        return {HEADER: str(calls.possible if is_open else calls.made)}


def refused(model: str, request: dict[str, Any]) -> Exception | None:
    """The refusal of the provider that was asked just before, as LiteLLM wrote it down."""
    metadata = request.get("metadata") or {}
    before = metadata.get("previous_models") if metadata.get("attempted_fallbacks") else None
    if not before:
        return None
    kind = getattr(exceptions, before[-1]["exception_type"], None)
    if not (isinstance(kind, type) and issubclass(kind, REFUSALS)):
        return None
    message = before[-1]["exception_string"].removeprefix("litellm.BadRequestError: ")
    refusal: Exception = exceptions.BadRequestError(message, model=model, llm_provider="")
    return refusal
