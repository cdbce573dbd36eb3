"""Addresses of the environment that browsers see: origins of pages, the path behind an ingress."""

import re
from functools import lru_cache
from ipaddress import ip_address

from pydantic import HttpUrl, TypeAdapter, ValidationError

PATH_PREFIX = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")
URL = TypeAdapter(HttpUrl)


def web_origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """The same, when each is an origin exactly as a browser sends it: they are compared as text.

    Raises:
        ValueError: one of them is not; it could match nothing, or much more than was meant.
    """
    for value in values:
        if "*" in value:
            raise ValueError("`*` would let in pages of anybody; name each origin")
        if not is_web_origin(value):
            raise ValueError(
                "must be origins as a browser sends them, as in https://ui.example or "
                "http://localhost:5173: lower case, no path, no last slash, no default port"
            )
    return values


def is_web_origin(value: str) -> bool:
    try:
        url = URL.validate_python(value)
    except ValidationError:
        return False
    return str(url) == f"{value}/" and not (url.username or url.password)


def path_prefix(value: str) -> str:
    """The same, when it is nothing, or a path that can stand before each of ours.

    Raises:
        ValueError: it is not; `//host` would even lead the docs page to another host.
    """
    if not PATH_PREFIX.fullmatch(value):
        raise ValueError("must start with a slash and not end with one, as in /solution")
    return value


@lru_cache(256)
def is_loopback(name: str) -> bool:
    """Whether this name or number is this machine's alone, whatever a name server says."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
