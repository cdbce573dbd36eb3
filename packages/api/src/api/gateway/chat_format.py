"""The OpenAI chat format on the wire: our call to a body, the gateway's bytes to an answer."""

from collections.abc import Mapping
from typing import Any

import msgspec

from api import NAME
from api.errors import UpstreamFailed
from api.gateway.chat_client import ChatAnswer, ChatRead, ChatRequest, Ending, TokenUsage
from api.gateway.error_table import NOT_JSON, ErrorObject, error_of_answer, upstream_calls
from api.gateway.sse import EventDecoder
from api.gateway.token_usage import NO_USAGE, WireUsage, known_cost, usage_of

COST_HEADER = "x-litellm-response-cost"
BOOKED_HEADER = f"x-{NAME}-project-id"
ANSWERED_HEADER = "x-litellm-model-name"
DONE = b"[DONE]"
NOT_SENT = {"model", "session_id"}
"""Options that are said in another place of the request."""


class WireText(msgspec.Struct):
    content: str | None = None


class WholeChoice(msgspec.Struct):
    message: WireText | None = None
    finish_reason: str | None = None


class WholeAnswer(msgspec.Struct):
    choices: list[WholeChoice] = []
    usage: msgspec.Raw = NO_USAGE
    error: ErrorObject | None = None


class ChunkChoice(msgspec.Struct):
    delta: WireText | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    choices: list[ChunkChoice] = []
    usage: msgspec.Raw = NO_USAGE
    error: ErrorObject | None = None


WHOLE = msgspec.json.Decoder(WholeAnswer)
CHUNK = msgspec.json.Decoder(Chunk)


def request_fields(call: ChatRequest) -> dict[str, Any]:
    """What every request says, whole or streamed, to a model with or without a gateway."""
    fields: dict[str, Any] = {
        name: value
        for name, value in call.options.items()
        if name not in NOT_SENT and value is not None
    }
    return fields | {"messages": call.messages, "max_tokens": call.max_tokens}


def gateway_fields(call: ChatRequest) -> dict[str, Any]:
    """What is said to the gateway alone: metadata made for this request, and LiteLLM's switch."""
    fields: dict[str, Any] = {"metadata": call.attribution.metadata()}
    if not call.gateway_falls_back:
        fields["disable_fallbacks"] = True
    return fields


def ending_of(
    finish_reason: str | None,
    tokens: TokenUsage | None,
    cost: float | None,
    headers: Mapping[str, str],
) -> Ending:
    """How an answer ended, with what the gateway's headers say of it.

    Raises:
        UpstreamFailed: it was cut: nothing says how it finished.
    """
    if not finish_reason:
        raise UpstreamFailed("the answer ended without a finish_reason")
    return Ending(
        finish_reason,
        tokens,
        cost,
        headers.get(BOOKED_HEADER),
        headers.get(ANSWERED_HEADER),
        upstream_calls(headers),
    )


def decode_reply(body: bytes, headers: Mapping[str, str]) -> ChatAnswer:
    """The answer in a 200's body.

    Raises:
        GatewayError: it holds an error, is not a completion, or does not say how it finished.
    """
    try:
        completion = WHOLE.decode(body)
    except NOT_JSON as error:
        raise UpstreamFailed(f"not a completion: {error}") from None
    if completion.error is not None:
        raise error_of_answer(500, completion.error, {})
    if not completion.choices:
        raise UpstreamFailed("a completion without choices")
    choice = completion.choices[0]
    usage = usage_of(completion.usage)
    cost = known_cost(headers.get(COST_HEADER)) or known_cost(usage.cost if usage else None)
    tokens = usage.tokens() if usage else None
    ending = ending_of(choice.finish_reason, tokens, cost, headers)
    text = choice.message.content if choice.message else None
    return ChatAnswer(text or "", ending)


class StreamDecoder:
    """One stream's bytes to reads: a parse for each chunk, a `ChatRead` for each network read."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._events = EventDecoder()
        self._headers = headers
        self._finish_reason: str | None = None
        self._usage: WireUsage | None = None
        self._final = b""

    @property
    def is_finished(self) -> bool:
        """Whether a chunk said how the answer finished; only its usage may be missing then."""
        return self._finish_reason is not None

    def feed(self, read: bytes) -> ChatRead | None:
        """What this read brought; None when it completed no event.

        Raises:
            GatewayError: the gateway reports an error in the stream, or sends what is not one.
        """
        events = self._events.feed(read)
        if not events:
            return None
        texts: list[str] = []
        for event in events:
            if event == DONE:
                return ChatRead(texts, self.ending())
            if event != self._final:
                self._take(event, texts)
        return ChatRead(texts)

    def _take(self, event: bytes, texts: list[str]) -> None:
        try:
            chunk = CHUNK.decode(event)
        except NOT_JSON as error:
            raise UpstreamFailed(f"not a chunk: {error}") from None
        if chunk.error is not None:
            raise error_of_answer(500, chunk.error, {})
        if chunk.usage is not NO_USAGE:
            self._usage = usage_of(chunk.usage) or self._usage
        for choice in chunk.choices:
            if choice.delta is not None and choice.delta.content:
                texts.append(choice.delta.content)
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
                # A gateway that sends its last chunk twice would double the text in it.
                self._final = event

    def ending(self) -> Ending:
        """How the stream ended.

        Raises:
            UpstreamFailed: it was cut: no chunk said how it finished.
        """
        usage = self._usage
        tokens = usage.tokens() if usage else None
        cost = known_cost(usage.cost if usage else None)
        return ending_of(self._finish_reason, tokens, cost, self._headers)
