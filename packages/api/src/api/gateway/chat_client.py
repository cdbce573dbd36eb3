"""What one attempt is: asked once, answered whole or streamed, or failed with one of our errors.

Both clients implement `ChatClient` and pass the same contract tests. A client never retries, never
falls back and never decides what to tell the caller.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.gateway.attribution import Attribution
from api.schemas import CompletionOptions, Message


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What one attempt asks.

    Attributes:
        deadline: in the running loop's time, in seconds.
        gateway_falls_back: whether the gateway may ask the alias's next provider by itself.
    """

    alias: str
    messages: Sequence[Message]
    options: CompletionOptions
    max_tokens: int
    attribution: Attribution
    traceparent: str
    deadline: float
    gateway_falls_back: bool = True


@dataclass(frozen=True, slots=True)
class TokenUsage:
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended. `cost_usd` is None when the gateway knows no price."""

    finish_reason: str
    usage: TokenUsage | None
    cost_usd: float | None
    booked_on: str | None = None
    """The project the gateway says it books the call on, where it says so."""
    answered_by: str | None = None
    """The provider's model behind the alias, where the gateway says so."""
    upstream_calls: int = 1
    """How many providers the gateway asked."""


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    text: str
    ending: Ending


@dataclass(frozen=True, slots=True)
class ChatRead:
    """What one network read brought: pieces of text, perhaps none, and at the last the ending."""

    texts: list[str]
    ending: Ending | None = None


class ChatClient(Protocol):
    """One attempt through the gateway."""

    async def complete(self, call: ChatRequest) -> ChatAnswer:
        """The whole answer.

        Raises:
            GatewayError: the attempt failed; the subclass says how.
        """
        ...

    def stream(self, call: ChatRequest) -> AsyncGenerator[ChatRead]:
        """The answer as it comes; the first read may be empty and says that the gateway answers.

        The last read, and only it, has an ending. Closing the generator closes the gateway call.

        Raises:
            GatewayError: the attempt failed, at the start or on the way.
        """
        ...

    async def warm_up(self) -> None:
        """Load what the first call would wait for."""
        ...
