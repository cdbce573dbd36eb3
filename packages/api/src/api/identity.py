"""Who calls: told by the bearer token of a realm or, for local work, not told at all."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.datastructures import Headers

from api.errors import Unauthenticated

if TYPE_CHECKING:
    from api.tokens import Tokens

CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CallerId:
    """Somebody that a token names.

    Attributes:
        subject: the user's id, the same in every token.
        organisation: to which the token was given.
    """

    subject: str
    organisation: str

    @property
    def user_id(self) -> str | None:
        """What a trace calls its user; None where nobody is told from another."""
        return None if self == ANYBODY else self.subject

    @property
    def key(self) -> str:
        """What tells this caller from all others."""
        return f"{self.organisation}/{self.subject}"


ANYBODY = CallerId("anybody", "")
"""With `AUTH_MODE=disabled` nobody is told from another."""


class Identity(Protocol):
    """How it is found out who calls."""

    async def caller(self, headers: Headers) -> CallerId:
        """Who sent these headers.

        Raises:
            Unauthenticated: they do not prove it.
            IdentityUnavailable: nobody can tell now.
        """
        ...

    async def is_ready(self) -> bool:
        """Whether callers can be told."""
        ...

    @property
    def keys_age(self) -> float | None:
        """Seconds since the realm's keys were read; None where callers are told without."""
        ...


class Anybody:
    """`AUTH_MODE=disabled`."""

    async def caller(self, _: Headers) -> CallerId:
        """See `Identity.caller`."""
        return ANYBODY

    async def is_ready(self) -> bool:
        """See `Identity.is_ready`."""
        return True

    @property
    def keys_age(self) -> None:
        """See `Identity.keys_age`."""
        return None


class OfRealm:
    """`AUTH_MODE=keycloak`.

    Args:
        tokens: of the realm.
    """

    def __init__(self, tokens: "Tokens") -> None:
        self._tokens = tokens

    async def caller(self, headers: Headers) -> CallerId:
        """See `Identity.caller`."""
        return await self._tokens.caller(bearer_token(headers.getlist("Authorization")))

    async def is_ready(self) -> bool:
        """See `Identity.is_ready`."""
        return await self._tokens.can_be_read()

    @property
    def keys_age(self) -> float:
        """See `Identity.keys_age`."""
        return self._tokens.keys_age


def bearer_token(authorizations: list[str]) -> str:
    """The one token of the request's `Authorization` headers.

    Source: RFC 6750, section 2.1; the scheme may be written in any case (RFC 9110, 11.1).

    Raises:
        Unauthenticated: there is none, or more than one, or something else.
    """
    if not authorizations:
        raise Unauthenticated("no Authorization header")
    if len(authorizations) > 1:
        raise Unauthenticated("more than one Authorization header")
    match = CREDENTIALS.fullmatch(authorizations[0])
    if match is None:
        raise Unauthenticated("the Authorization header is not `Bearer <token>`")
    return match[1]
