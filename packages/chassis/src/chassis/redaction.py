"""Keeps secrets out of whatever this process writes, whoever writes it.

Known values are masked wherever they stand, others by their form, and fields by their name. It sits
on the two streams themselves, so a library's own handler and the last traceback pass it too.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TextIO, cast
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, SecretStr

MASK = "[secret]"
SHORTEST = 6
"""Characters of a known secret; to mask a shorter one would blot out words of every line."""

NAME = re.compile(
    r"authorization|cookie|passw|secret|credential|api[_-]?key|(?:^|[_-])(?:key|token|ticket|jwt)$",
    re.IGNORECASE,
)
FORM = re.compile(
    r"""
    (?<=://) (?P<user>[^\s/@"':]*:) [^\s/@"']+ (?=@)
  | (?P<name>[?&](?:\w*token|\w*key|ticket|password|secret)=) [^\s&"'\\]+
  | (?P<bearer>\bbearer\s+) [\w.~+/=-]{8,}
  | (?P<basic>\bbasic\s+) [\w.~+/=-]{16,}
  | \beyJ[\w-]{8,}\.[\w-]+\.[\w-]*
  | \bsk-[\w-]{8,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
HINTS = ("://", "=", "earer ", "EARER ", "asic ", "ASIC ", "eyJ", "sk-")
"""Where none of them is, FORM finds nothing; to look for them takes a twentieth of its time."""

NUMBERS = {int, float, bool, type(None)}

_known: list[str] = []


def keep_out(secret: str) -> None:
    """From now on this value is masked; of a URL, its password.

    Its escaped forms are, too: a repr in a JSON in a JSON is where it is met.
    """
    if "://" in secret:
        secret = urlsplit(secret).password or ""
    forms = {secret, unquote(secret)}
    for _ in range(3):
        forms |= {quote(form, safe="") for form in forms}
        forms |= {json.dumps(form)[1:-1] for form in forms} | {repr(form)[1:-1] for form in forms}
    known = {*_known, *(form for form in forms if len(form) >= SHORTEST)}
    _known[:] = sorted(known, key=len, reverse=True)


def keep_out_all(settings: BaseModel) -> None:
    """Does so with each secret among the settings."""
    for _, value in settings:
        if isinstance(value, SecretStr):
            keep_out(value.get_secret_value())


def redacted(text: str) -> str:
    """The text without its secrets."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, MASK)
    for hint in HINTS:
        if hint in text:
            return FORM.sub(rf"\g<user>\g<name>\g<bearer>\g<basic>{MASK}", text)
    return text


def masked_field(name: object, value: Any) -> Any:
    """What a log line says under this name: masked, at any depth, where it is a secret's."""
    kind = type(value)
    if kind in NUMBERS:
        return value
    if names_a_secret(name):
        return MASK
    return value if kind is str else masked(value)


def masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: masked_field(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    return value


@lru_cache(1024)
def names_a_secret(name: object) -> bool:
    return NAME.search(str(name)) is not None


class RedactedStream:
    """A text stream; whatever is written to it is redacted first."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redacting(stream: TextIO) -> TextIO:
    return cast(TextIO, RedactedStream(stream))


def redact_output() -> None:
    """Puts it on stdout and stderr, for the whole process; what writes to their bytes goes by."""
    sys.stdout, sys.stderr = redacting(sys.stdout), redacting(sys.stderr)
