"""Thinking models: a floor for `max_tokens`, and one repair of an answer without text.

Thinking models count their thoughts against `max_tokens`; when those take all of it there is no
text, no error, and a bill. Such an answer is asked for once more, with room to write after the
thought; `LLM_REPAIR_EMPTY_ANSWERS=false` switches that second, paid attempt off.
"""

from dataclasses import fields, replace

from api.gateway.chat_client import ChatRequest, Ending, TokenUsage

TIMES_THE_ROOM = 4
LEAST_ROOM = 2048
MOST_ROOM = 65_536


class ThinkingModels:
    """
    Args:
        aliases: of the models that think before they write.
        floor: tokens; the least `max_tokens` that these are asked for.
        repairs: whether an empty answer is asked for once more.
    """

    def __init__(self, aliases: frozenset[str], floor: int, *, repairs: bool) -> None:
        self._aliases = aliases
        self._floor = floor
        self._repairs = repairs

    def max_tokens(self, alias: str, wanted: int) -> int:
        """What to ask this model for."""
        return max(wanted, self._floor) if alias in self._aliases else wanted

    def would_repair(self, request: ChatRequest, ending: Ending) -> bool:
        """Whether more room may bring a text where this answer had none.

        That the model counts thoughts is as good a sign as that it is listed.
        """
        has_thought = ending.usage is not None and ending.usage.reasoning_tokens > 0
        thinks = has_thought or request.alias in self._aliases
        ran_out = ending.finish_reason == "length" and thinks
        return self._repairs and ran_out and request.max_tokens < MOST_ROOM


def with_more_room(request: ChatRequest) -> ChatRequest:
    """The same request, with a `max_tokens` that thoughts alone should not use up."""
    room = max(TIMES_THE_ROOM * request.max_tokens, LEAST_ROOM)
    return replace(request, max_tokens=min(room, MOST_ROOM), gateway_falls_back=False)


def together(first: Ending, second: Ending) -> Ending:
    """How the second answer ended, with what both of them cost; None where one is unknown."""
    usage, cost_usd = None, None
    if first.usage is not None and second.usage is not None:
        counts = {
            field.name: getattr(first.usage, field.name) + getattr(second.usage, field.name)
            for field in fields(TokenUsage)
        }
        usage = TokenUsage(**counts)
    if first.cost_usd is not None and second.cost_usd is not None:
        cost_usd = first.cost_usd + second.cost_usd
    return replace(second, usage=usage, cost_usd=cost_usd)
