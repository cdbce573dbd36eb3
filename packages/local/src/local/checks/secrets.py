"""Refuses a secret in the config: it belongs in the environment of the gateway.

No message says the secret. An overlay is let off: a test's keys are none.
"""

import re
from collections.abc import Iterator

from local.checks.source import Mistake, Place, Source
from local.run.config import REFERENCE

NAME = re.compile(
    r"(.*_)?(api_?key|master_key|salt_key|(secret_)?access_key|secret|secret_key|password|passwd"
    r"|auth_?token|ad_token|session_token|bearer_token|license)",
    re.IGNORECASE,
)
LOOKS_LIKE_ONE = re.compile(
    r"sk-[\w-]{8,}|AIza[\w-]{30,}|gh[pous]_\w{30,}|AKIA\w{16}|\w+://[^/@\s:]*:[^/@\s]+@.*"
    r"|-----BEGIN .*PRIVATE KEY-----.*",
    re.DOTALL,
)
NONE = {"", "none", "NONE", "None"}
VARIABLE = re.compile(re.escape(REFERENCE) + r"[A-Za-z_][A-Za-z0-9_]*")


def literal_secrets(source: Source) -> Iterator[Mistake]:
    if not source.is_overlay:
        for place, value in scalars(source.config, ()):
            names_one = isinstance(place[-1], str) and NAME.fullmatch(place[-1])
            if not isinstance(value, str) or value in NONE or VARIABLE.fullmatch(value):
                continue
            if names_one or LOOKS_LIKE_ONE.fullmatch(value):
                yield source.mistake(
                    place,
                    f"{named(place)} is a secret, or looks like one: name the variable that has"
                    f" it, as in {REFERENCE}PROVIDER_API_KEY",
                )


def named(place: Place) -> str:
    """The key, not the number in a list."""
    return next((key for key in reversed(place) if isinstance(key, str)), "the value")


def scalars(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from scalars(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from scalars(inner, (*place, number))
    elif place:
        yield place, value
