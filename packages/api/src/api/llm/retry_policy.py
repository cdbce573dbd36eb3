"""When to ask again, when to ask another model, when to give up: decisions, without a clock.

`attempts.py` carries them out, with tenacity. A gateway that says when to come back is not asked
before; when that is too far off, a fallback answers or the caller is told. Sources: the table of
failures, and Google SRE's bound on attempts.
"""

from collections.abc import Sequence

from tenacity import wait_random_exponential

from api.llm.attempt import SKIPPED, Attempt

MAX_CALLS = 5
"""To providers, in one call of ours: an attempt is several where the gateway falls back."""
MAX_WAIT_SECONDS = 20.0
BACKOFF = wait_random_exponential(multiplier=0.5, max=8)
"""Full jitter, in seconds: the platform's page names this very strategy."""


def next_attempt(
    models: Sequence[str],
    failed: Sequence[Attempt],
    *,
    remaining: float,
    backoff: float,
    may_retry: bool,
    max_calls: int = MAX_CALLS,
) -> Attempt | None:
    """What to do after the last of these failures; None is to give up.

    Args:
        models: the requested model, then its fallbacks in order.
        failed: the attempts of this call so far, at least one; each has its error.
        remaining: seconds to the deadline.
        backoff: seconds to wait before the same model is asked again, unless told a longer time.
        may_retry: whether the retry budget has room. A fallback is not part of it: it asks another
            provider, and is the remedy and not the load.
        max_calls: to providers, with those that have failed.
    """
    last = failed[-1]
    error = last.error
    left = max_calls - sum(attempt.upstream_calls for attempt in failed)
    if error is None or left <= 0 or remaining <= 0:
        return None
    asked = [attempt.model for attempt in failed]
    is_requested = last.model == models[0]
    has_retries_left = last.outcome != SKIPPED and asked.count(last.model) <= error.retries
    spends = error.spends_the_budget
    if is_requested and has_retries_left and (may_retry or not spends):
        wait = max(backoff if spends else 0, error.retry_after or 0)
        if wait < min(remaining, MAX_WAIT_SECONDS):
            # Where the gateway itself failed, its providers have not had their turn.
            falls_back = error.ends_the_call and left > 1
            return Attempt(last.model, wait, spends_budget=spends, gateway_falls_back=falls_back)
    if error.ends_the_call or (is_requested and not error.falls_back):
        return None
    others = (model for model in models if model not in asked)
    return next((Attempt(model, gateway_falls_back=left > 1) for model in others), None)


def in_order(requested: str, fallbacks: Sequence[str]) -> tuple[str, ...]:
    """The requested model, then its fallbacks: those of another provider first."""
    others = [model for model in dict.fromkeys(fallbacks) if model != requested]
    return (requested, *sorted(others, key=lambda model: family(model) == family(requested)))


def family(alias: str) -> str:
    """The provider's family of models, as its aliases begin: `gemini`, `claude`, `gpt`."""
    return alias.split("-", maxsplit=1)[0]
