"""A realm of a test: it signs what it is asked to, and serves its keys, or fails to."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from running import listening

AUDIENCE = "solution-api"
REALM = "/realms/craft"
CERTS = f"{REALM}/protocol/openid-connect/certs"


def private_key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


@dataclass
class Realm:
    """What it publishes and how it answers may be changed while it runs.

    Attributes:
        fetches: how often its keys were asked for.
        status, body, delay: how it answers, when not as it should.
        called: what it calls itself, when not by its address.
    """

    url: str = ""
    keys: dict[str, RSAPrivateKey] = field(default_factory=lambda: {"first": private_key()})
    more_keys: list[dict[str, Any]] = field(default_factory=list)
    fetches: int = 0
    status: int = 200
    body: bytes | None = None
    delay: float = 0
    called: str | None = None

    @property
    def issuer(self) -> str:
        return f"{self.url}{REALM}"

    @property
    def certs(self) -> str:
        return f"{self.url}{CERTS}"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of an access token for us; None takes one away."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": [AUDIENCE, "account"],
            "sub": "7c0ad7f2-6a0c-4a3e-9d10-0d7a1c1f7a11",
            "typ": "Bearer",
            "azp": "craft-ui",
            "iat": now,
            "exp": now + 300,
            "org_id": "acme",
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(
        self, kid: str = "first", headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token that this realm signs."""
        more = {"kid": kid} | (headers or {})
        claims = json.dumps(self.claims(**changes)).encode()
        return jwt.PyJWS().encode(claims, self.keys[kid], "RS256", headers=more)

    async def serve_keys(self, _: web.Request) -> web.Response:
        self.fetches += 1
        await asyncio.sleep(self.delay)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        return web.json_response({"keys": self.published()}, status=self.status)

    async def describe(self, _: web.Request) -> web.Response:
        return web.json_response({"issuer": self.called or self.issuer, "jwks_uri": self.certs})

    def published(self) -> list[dict[str, Any]]:
        return [jwk(kid, key) for kid, key in self.keys.items()] + self.more_keys


def jwk(kid: str, key: RSAPrivateKey, **changes: Any) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public | {"kid": kid, "use": "sig", "alg": "RS256"} | changes


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token written by hand, which no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@asynccontextmanager
async def running_realm() -> AsyncIterator[Realm]:
    realm = Realm()
    app = web.Application()
    app.router.add_get(CERTS, realm.serve_keys)
    app.router.add_get(f"{REALM}/.well-known/openid-configuration", realm.describe)
    async with listening(app) as realm.url:
        yield realm
