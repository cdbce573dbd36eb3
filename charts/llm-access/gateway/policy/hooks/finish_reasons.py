"""An answer that does not say how it finished is an error: LiteLLM would call it complete."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from litellm.exceptions import APIError
from litellm.integrations.custom_logger import CustomLogger

CUT = "ended_without_finish_reason"
"""What a cut stream leaves in LiteLLM's details of the call, for the metrics."""


class FinishReasons(CustomLogger):  # type: ignore[misc]
    """Ends in an error what LiteLLM would call complete though the provider never said so.

    LiteLLM writes `stop` where a provider gives no `finish_reason`. A stream keeps the chunks as
    they came, without what LiteLLM made up; of a whole answer the provider's text is kept.
    """

    async def async_post_call_streaming_iterator_hook(
        self, response: Any, **_: object
    ) -> AsyncGenerator[Any]:
        """
        Raises:
            APIError: in place of the `finish_reason` that the provider did not give.
        """
        async for chunk in response:
            if finish_reason(chunk) and was_cut(response):
                details(response, "logging_obj")[CUT] = True
                async for _ in response:
                    pass  # LiteLLM books the call at the end of its stream
                raise without_finish_reason()
            yield chunk

    async def async_post_call_success_hook(
        self, data: dict[str, Any], response: object, **_: object
    ) -> None:
        """
        Raises:
            APIError: the provider's answer has no `finish_reason`.
        """
        if is_cut(details(data.get("litellm_logging_obj")), response):
            raise without_finish_reason()


def is_cut(said: dict[str, Any], answer: object) -> bool:
    """Whether an answer ended, or will, in an error of this module.

    Args:
        said: LiteLLM's details of the call.
        answer: as LiteLLM understood it.
    """
    if CUT in said:
        return True
    return finish_reason(answer) == "stop" and lacks_finish_reason(original(said))


def details(holder: object, *path: str) -> dict[str, Any]:
    """What LiteLLM knows of a call, from its logging object; empty where that is not there."""
    for name in path:
        holder = getattr(holder, name, None)
    return getattr(holder, "model_call_details", {})


def finish_reason(answer: object) -> str | None:
    choices = getattr(answer, "choices", None)
    return getattr(choices[0], "finish_reason", None) if choices else None


def was_cut(stream: object) -> bool:
    """Whether no chunk of the provider says how it finished; False where that cannot be told."""
    chunks = getattr(stream, "chunks", None)
    if not isinstance(chunks, list) or getattr(stream, "fallback_headers_adopted", False):
        return False
    return not any(map(finish_reason, reversed(chunks)))


def original(said: dict[str, Any]) -> object:
    """The provider's answer, where LiteLLM keeps it as JSON."""
    kept = said.get("original_response")
    try:
        return json.loads(kept) if isinstance(kept, str) else None
    except ValueError:
        return None


def lacks_finish_reason(answer: object) -> bool:
    """Whether it has the form of OpenAI's, and its first choice does not say how it finished."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(choice, dict) and not (
        choice.get("finish_reason") or choice.get("finish_details")
    )


def without_finish_reason() -> APIError:
    return APIError(502, "the answer ended without a finish_reason", llm_provider="", model="")
