"""An empty answer of a thinking model is asked for once more, with room to write after the thought.

Thinking models count their thoughts against `max_tokens`; when those take all of it there is no
text, no error, and a bill. `LLM_REPAIR_EMPTY_ANSWERS=false` switches the second, paid attempt off.
"""

from dataclasses import fields, replace

from api.gateway.chat_client import ChatRequest, Ending, TokenUsage

TIMES_THE_ROOM = 4
LEAST_ROOM = 2048
MOST_ROOM = 65_536


def would_help(call: ChatRequest, ending: Ending, *, thinks: bool) -> bool:
    """Whether more room may bring a text where this answer had none.

    Args:
        thinks: whether the model is listed as one; that it counts thoughts is as good a sign.
    """
    has_thought = ending.usage is not None and ending.usage.reasoning_tokens > 0
    ran_out = ending.finish_reason == "length" and (thinks or has_thought)
    return ran_out and call.max_tokens < MOST_ROOM


def with_more_room(call: ChatRequest) -> ChatRequest:
    """The same question, with a `max_tokens` that thoughts alone should not use up."""
    room = max(TIMES_THE_ROOM * call.max_tokens, LEAST_ROOM)
    return replace(call, max_tokens=min(room, MOST_ROOM), gateway_falls_back=False)


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
