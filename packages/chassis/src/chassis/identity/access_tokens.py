"""A bearer token to its caller: RS256 of the realm, for this service, and within its time."""

import re
from base64 import urlsafe_b64decode
from typing import Any, Literal

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError

from chassis.errors import Unauthenticated
from chassis.identity.callers import Caller
from chassis.identity.jwks import Jwks

LEEWAY_SECONDS = 5
MAX_CHARACTERS = 16 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@|-]{0,127}")


class Header(msgspec.Struct):
    """What is read of a token's header before its key is known."""

    alg: Literal["RS256"]
    kid: str
    typ: str | None = None


class AccessTokens:
    """The access tokens of one realm.

    Args:
        keys: the realm's.
        issuer: the realm's URL, as `iss` has it to the letter.
        audience: what `aud` must hold: the client id of this service.
    """

    def __init__(self, keys: Jwks, issuer: str, audience: str) -> None:
        self._keys = keys
        self._rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )

    async def caller(self, token: str) -> Caller:
        """Who this token was given to.

        The key is found by the token's `kid` among the realm's and in no other way: `jku`, `jwk`
        and `x5u` (RFC 7515) are not looked at. The algorithm is ours, never the token's.

        Raises:
            Unauthenticated: it is not a valid access token for this service.
            IdentityUnavailable: the realm's keys cannot be had.
        """
        if len(token) > MAX_CHARACTERS:
            raise Unauthenticated(f"a token of more than {MAX_CHARACTERS} characters")
        header = header_of(token)
        key = await self._keys.key(header.kid)
        if key is None:
            raise Unauthenticated(f"the realm has no key {header.kid[:64]!r}")
        try:
            claims = jwt.decode(token, key, algorithms=["RS256"]).claims
            self._rules.validate(claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # 1. A TypeError is what joserfc makes of a `crit` that is no list of names.
            raise Unauthenticated(f"{type(error).__name__}: {error}") from None
        return caller_in(header, claims)

    @property
    def keys_age(self) -> float:
        """Seconds since the realm's keys were read; infinite when they never were."""
        return self._keys.age

    async def can_be_read(self) -> bool:
        """Whether there are keys to check a token with."""
        return await self._keys.is_loaded()


def header_of(token: str) -> Header:
    """The header, before anything of the token is proven.

    Raises:
        Unauthenticated: it is no token, or not one that could be the realm's.
    """
    segment = token.partition(".")[0]
    try:
        padded = segment + "=" * (-len(segment) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded), type=Header)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise Unauthenticated(f"not signed with RS256 by a key that has a kid: {error}") from None


def caller_in(header: Header, claims: dict[str, Any]) -> Caller:
    """The caller that these claims name.

    Raises:
        Unauthenticated: it is not an access token, or names nobody.
    """
    kind = claims.get("typ", header.typ)
    if kind not in ("Bearer", "at+jwt"):
        # 2. Keycloak's ID token has our audience too; only its kind tells it apart.
        raise Unauthenticated(f"a token of the kind {str(kind)[:32]!r}, not an access token")
    organisation = claims.get("org_id", claims["iss"].rstrip("/").rpartition("/")[2])
    for name, value in (("sub", claims["sub"]), ("org_id", organisation)):
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise Unauthenticated(f"{name} names nobody: {str(value)[:64]!r}")
    return Caller(claims["sub"], organisation)
