"""What an answer was counted and priced at: as the gateway says, or nothing, but never made up."""

import math
from typing import TypeGuard

import msgspec

from api.gateway.chat_client import TokenUsage
from api.gateway.error_table import NOT_JSON

NO_USAGE = msgspec.Raw(b"null")
MAX_TOKENS = 10**12
"""More is not a count, and more than a JSON reader may hold."""


class TokenDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    completion_tokens_details: TokenDetails | None = None
    cost: float | None = None

    def tokens(self) -> TokenUsage | None:
        details = self.completion_tokens_details
        reasoning = details.reasoning_tokens if details else None
        return tokens_of(self.prompt_tokens, self.completion_tokens, reasoning)


def usage_of(raw: msgspec.Raw) -> WireUsage | None:
    """The usage, or None: an odd one must not cost the caller an answer that is paid for."""
    try:
        return msgspec.json.decode(raw, type=WireUsage | None, strict=False)
    except NOT_JSON:
        return None


def tokens_of(given: int | None, made: int | None, reasoning: int | None) -> TokenUsage | None:
    """What was counted; None when a half is missing or makes no sense."""
    if not is_count(given) or not is_count(made):
        return None
    return TokenUsage(given, made, reasoning if is_count(reasoning) else 0, given + made)


def is_count(tokens: int | None) -> TypeGuard[int]:
    return isinstance(tokens, int) and 0 <= tokens <= MAX_TOKENS


def known_cost(cost: float | str | None) -> float | None:
    """A price in USD; LiteLLM's 0 means that it knows none."""
    try:
        price = float(cost or 0)
    except ValueError:
        return None
    return price if math.isfinite(price) and price > 0 else None
