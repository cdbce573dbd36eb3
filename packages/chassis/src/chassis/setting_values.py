"""Checks of values that any service has; each says in a few words what is wrong."""

import re
from urllib.parse import unquote

from pydantic import HttpUrl, SecretStr, TypeAdapter, ValidationInfo

KEY = re.compile(r"[\x21-\x7e]+")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def unless_empty(value: object) -> object:
    return value or None


def http_url(value: str | None) -> str | None:
    """As it was written: an issuer is compared to the letter."""
    if value is not None:
        url = TypeAdapter(HttpUrl).validate_python(value)
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("must have no user, password, query or fragment")
    return value


def certificates_of(issuer: str | None) -> str:
    """Where Keycloak has the keys of a realm."""
    return f"{(issuer or '').rstrip('/')}/protocol/openid-connect/certs"


def headers_of_otlp(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        parse_headers(value.get_secret_value())
    return value


def parse_headers(value: str) -> dict[str, str]:
    """`name=value` pairs with commas between them, percent-encoded, as OpenTelemetry has them."""
    pairs = [pair.strip().partition("=") for pair in value.split(",") if pair.strip()]
    headers = {name.strip(): unquote(text.strip()) for name, _, text in pairs}
    if any(not name or not separator for name, separator, _ in pairs) or not all(
        HEADER_NAME.fullmatch(name) and text.isascii() and text.isprintable()
        for name, text in headers.items()
    ):
        raise ValueError("must be name=value, with commas between them")
    return headers


def set_with_keycloak(value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.data.get("auth_mode") == "keycloak":
        raise ValueError("required with AUTH_MODE=keycloak, and not set")
    return value


def checked_key(text: str) -> str:
    """The key in this text, which may end in a line break.

    Raises:
        ValueError: it is empty, or cannot go into a header.
    """
    key = text.strip("\r\n")
    if not KEY.fullmatch(key):
        raise ValueError("must be one line of printable ASCII without spaces")
    return key


def one_line_key(value: SecretStr | None) -> SecretStr | None:
    return None if value is None else SecretStr(checked_key(value.get_secret_value()))
