"""When to ask again, when to ask another model, when to give up: decisions, without a clock.

`next_step` is the policy, `receipt.py` carries it out, tenacity draws the waits. A gateway that
says when to come back is not asked again before; when that is too far off, a fallback answers or
the caller is told. Sources: the README's table of failures, and Google SRE's bound on attempts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from api.errors import GatewayError

MAX_CALLS = 5
"""To providers, in one call of ours: an attempt is several where the gateway falls back."""
MAX_WAIT_SECONDS = 20.0
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)
"""Full jitter, in seconds: the platform's page names this very strategy."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt or, where the breaker was open, one that was not made."""

    model: str
    error: GatewayError
    was_skipped: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt.

    Attributes:
        wait: seconds before it.
        spends_the_budget: whether it is a budgeted retry.
        gateway_falls_back: whether the gateway may ask both providers of an alias.
    """

    model: str
    wait: float = 0.0
    spends_the_budget: bool = False
    gateway_falls_back: bool = True


def next_step(
    models: Sequence[str],
    failures: Sequence[Failure],
    *,
    remaining: float,
    backoff: float,
    may_retry: bool,
) -> Step | None:
    """What to do after the last of these failures; None is to give up.

    Args:
        models: the requested model, then its fallbacks in order.
        failures: those of this call so far, at least one.
        remaining: seconds to the deadline.
        backoff: seconds to wait before the same model is asked again, unless told a longer time.
        may_retry: whether the retry budget has room. A fallback is not part of it: it asks another
            provider, and is the remedy and not the load.
    """
    last = failures[-1]
    left = MAX_CALLS - sum(f.error.upstream_calls for f in failures if not f.was_skipped)
    if left <= 0 or remaining <= 0:
        return None
    asked = [failure.model for failure in failures]
    is_requested = last.model == models[0]
    has_retries_left = not last.was_skipped and asked.count(last.model) <= last.error.retries
    spends = last.error.spends_the_budget
    if is_requested and has_retries_left and (may_retry or not spends):
        wait = max(backoff if spends else 0, last.error.retry_after or 0)
        if wait < min(remaining, MAX_WAIT_SECONDS):
            # Where the gateway itself failed, its providers have not had their turn.
            return Step(
                last.model,
                wait,
                spends_the_budget=spends,
                gateway_falls_back=last.error.ends_the_call and left > 1,
            )
    if last.error.ends_the_call or (is_requested and not last.error.falls_back):
        return None
    others = (model for model in models if model not in asked)
    return next((Step(model, gateway_falls_back=left > 1) for model in others), None)


def backoff(attempt: int) -> float:
    """Seconds to wait after the attempt of this number, counted from 1."""
    state = RetryCallState(AsyncRetrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    return BACKOFF(state)


def in_order(requested: str, fallbacks: Sequence[str]) -> tuple[str, ...]:
    """The requested model, then its fallbacks: those of another provider first."""
    others = [model for model in dict.fromkeys(fallbacks) if model != requested]
    return (requested, *sorted(others, key=lambda model: family(model) == family(requested)))


def family(alias: str) -> str:
    """The provider's family of models, as its aliases begin: `gemini`, `claude`, `gpt`."""
    return alias.split("-", maxsplit=1)[0]
