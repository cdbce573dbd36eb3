"""litellm's objects to ours: the stream under its wrapper, its chunks, its usage."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from api.chat_format import COST_HEADER, StreamDecoder, ending_of
from api.usage import known_cost, tokens_of
from api.lane import Ending, Read, TokenUsage


def raw_response(wrapper: Any) -> Any | None:
    """The HTTP response under litellm's stream wrapper; None where there is none to be found."""
    response = getattr(getattr(wrapper, "completion_stream", None), "response", None)
    return response if hasattr(response, "aiter_bytes") else None


async def reads_of_bytes(response: Any) -> AsyncGenerator[Read]:
    """The fast way: the gateway's own bytes, as in the other lane."""
    decoder = StreamDecoder(response.headers)
    async for read in response.aiter_bytes():
        if (brought := decoder.feed(read)) is not None:
            yield brought
            if brought.ending is not None:
                return
    yield Read([], decoder.ending())


async def reads_of_chunks(wrapper: Any) -> AsyncGenerator[Read]:
    """The slow way, for what is not the OpenAI wire: litellm's own chunks."""
    finish_reason, usage = None, None
    async for chunk in wrapper:
        usage = getattr(chunk, "usage", None) or usage
        choices = chunk.choices
        finish_reason = (choices and choices[0].finish_reason) or finish_reason
        text = choices and choices[0].delta.content
        yield Read([text] if text else [])
    yield Read([], ending_of_objects(finish_reason, usage, {}))


def ending_of_objects(finish_reason: str | None, usage: Any, headers: Mapping[str, str]) -> Ending:
    """The ending in litellm's objects.

    Raises:
        UpstreamFailed: nothing says how the answer finished.
    """
    return ending_of(finish_reason, counted(usage), known_cost(headers.get(COST_HEADER)), headers)


def counted(usage: Any) -> TokenUsage | None:
    """The usage in litellm's object; one of zeros only is what litellm makes of none at all."""
    if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
        return None
    details = getattr(usage, "completion_tokens_details", None)
    reasoning = getattr(details, "reasoning_tokens", None)
    return tokens_of(usage.prompt_tokens or 0, usage.completion_tokens or 0, reasoning)
