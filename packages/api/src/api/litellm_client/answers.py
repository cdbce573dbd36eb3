"""litellm's objects to ours: the stream under its wrapper, its chunks, its usage."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from api.errors import UpstreamFailed
from api.gateway.chat_client import ChatAnswer, ChatRead, Ending, TokenUsage
from api.gateway.chat_format import ending_of
from api.gateway.token_usage import tokens_of
from api.litellm_client.errors import our_errors


def raw_response(wrapper: Any) -> Any | None:
    """The HTTP response under litellm's stream wrapper; None where there is none to be found."""
    response = getattr(getattr(wrapper, "completion_stream", None), "response", None)
    return response if hasattr(response, "aiter_bytes") else None


def next_of(reads: AsyncIterator[bytes]) -> Callable[[float], Awaitable[bytes]]:
    """The reads of the gateway's own bytes, as `reads_of_bytes` asks for them."""

    async def next_read(deadline: float) -> bytes:
        async with our_errors(deadline):
            return await anext(reads, b"")

    return next_read


async def reads_of_chunks(wrapper: Any, deadline: float) -> AsyncGenerator[ChatRead]:
    """The slow way, for what is not the OpenAI wire: litellm's own chunks."""
    finish_reason, usage = None, None
    while True:
        async with our_errors(deadline):
            chunk = await anext(wrapper, None)
        if chunk is None:
            break
        usage = getattr(chunk, "usage", None) or usage
        choices = chunk.choices
        finish_reason = (choices and choices[0].finish_reason) or finish_reason
        text = choices and choices[0].delta.content
        yield ChatRead([text] if text else [])
    yield ChatRead([], ending_of_objects(finish_reason, usage))


def reply_of_object(response: Any) -> ChatAnswer:
    """The slow way for a whole answer.

    Raises:
        UpstreamFailed: it is none, or nothing says how it finished.
    """
    if not response.choices:
        raise UpstreamFailed("a completion without choices")
    choice = response.choices[0]
    ending = ending_of_objects(choice.finish_reason, getattr(response, "usage", None))
    return ChatAnswer(choice.message.content or "", ending)


def ending_of_objects(finish_reason: str | None, usage: Any) -> Ending:
    return ending_of(finish_reason, counted(usage), None, {})


def counted(usage: Any) -> TokenUsage | None:
    """The usage in litellm's object; one of zeros only is what litellm makes of none at all."""
    if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
        return None
    details = getattr(usage, "completion_tokens_details", None)
    reasoning = getattr(details, "reasoning_tokens", None)
    return tokens_of(usage.prompt_tokens or 0, usage.completion_tokens or 0, reasoning)
