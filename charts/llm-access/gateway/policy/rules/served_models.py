"""Which entries of `model_list` are served: those whose variables are set.

LiteLLM would ask the others all the same: at another provider's address, with another provider's
key, and a second entry of an alias would hide with its error why the first failed.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy.refusal import PolicyError

logger = logging.getLogger("gateway.policy")

REFERENCE = "os.environ/"


def places(
    written: Sequence[Mapping[str, Any]], resolved: Sequence[Mapping[str, Any]]
) -> tuple[int, ...]:
    """Where in `model_list` the served entries stand; one line of the log names the others.

    Args:
        written: `model_list` with its references to variables.
        resolved: the same with what LiteLLM put in their place.

    Raises:
        PolicyError: nothing would be served.
    """
    lacks = [tuple(dict.fromkeys(unset(*entry))) for entry in zip(written, resolved, strict=True)]
    served = tuple(place for place, names in enumerate(lacks) if not names)
    others = "; ".join(
        f"{entry['model_name']} ({entry['litellm_params']['model']}) for want of {', '.join(names)}"
        for entry, names in zip(written, lacks, strict=True)
        if names
    )
    if others and not served:
        raise PolicyError(f"no alias has the variables that it needs. Not served: {others}")
    if others:
        logger.warning("not served: %s", others)
    return served


def unset(written: object, resolved: Any) -> Iterator[str]:
    """The variables that a part of the config refers to and that are unset or empty."""
    if isinstance(written, dict):
        for key, value in written.items():
            yield from unset(value, resolved.get(key))
    elif isinstance(written, list):
        for pair in zip(written, resolved, strict=True):
            yield from unset(*pair)
    elif isinstance(written, str) and written.startswith(REFERENCE) and resolved in (None, ""):
        yield written.removeprefix(REFERENCE)
