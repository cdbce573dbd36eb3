"""Identity by a bearer token of a Keycloak realm."""

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from chassis.errors import Unauthenticated

if TYPE_CHECKING:
    from chassis.identity.access_tokens import AccessTokens

from chassis.identity.callers import Caller

CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


class KeycloakIdentity:
    """`AUTH_MODE=keycloak`.

    Args:
        tokens: of the realm.
    """

    def __init__(self, tokens: "AccessTokens") -> None:
        self._tokens = tokens

    async def caller(self, headers: Headers) -> Caller:
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
