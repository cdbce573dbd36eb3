"""`python -m bench.tokens`: what it costs to find out who calls, once the realm's keys are known.

The processor time of one check, beside the bare RSA signature that it cannot do without, in turns.
Exit code 1: a check takes 100 us or more.
"""

import hashlib
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import jwt
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import RSAAlgorithm
from starlette.datastructures import Headers

from chassis.identity.access_tokens import AccessTokens
from chassis.identity.jwks import Jwks
from chassis.identity.keycloak import KeycloakIdentity

ISSUER, AUDIENCE = "https://keycloak.example/realms/craft", "solution-api"
ROUNDS, CHECKS = 20, 500
MOST_US = 100
KEY = generate_private_key(65537, 2048)
MESSAGE = b"header.claims"
SIGNATURE = KEY.sign(MESSAGE, PKCS1v15(), SHA256())


def token() -> str:
    """One as Keycloak gives it to a user with some roles."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": [AUDIENCE, "account"],
        "sub": "7c0ad7f2-6a0c-4a3e-9d10",
        "typ": "Bearer",
    }
    claims |= {
        "iat": now,
        "exp": now + 3600,
        "org_id": "acme",
        "azp": "craft-ui",
        "scope": "openid",
    }
    claims |= {"groups": [f"/project-{n}/project-developers" for n in range(10)]}
    claims |= {"realm_access": {"roles": ["offline_access", "uma_authorization", "default"]}}
    return jwt.encode(claims, KEY, "RS256", headers={"kid": "bench"})


async def serve_keys(_: web.Request) -> web.Response:
    public = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return web.json_response({"keys": [public | {"kid": "bench", "use": "sig", "alg": "RS256"}]})


async def bare_signature() -> None:
    digest = hashlib.sha256(MESSAGE).digest()
    KEY.public_key().verify(SIGNATURE, digest, PKCS1v15(), Prehashed(SHA256()))


async def microseconds(check: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    for _ in range(CHECKS):
        await check()
    return (time.process_time() - began) / CHECKS * 1e6


async def measure() -> tuple[float, float]:
    """The medians, in us: the bare signature, and the whole check from the header on."""
    app = web.Application()
    app.router.add_get("/certs", serve_keys)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/certs"
        async with Jwks(url) as keys:
            identity = KeycloakIdentity(AccessTokens(keys, ISSUER, AUDIENCE))
            headers = Headers({"authorization": f"Bearer {token()}"})
            bare, whole = [], []
            for _ in range(ROUNDS):
                bare.append(await microseconds(bare_signature))
                whole.append(await microseconds(lambda: identity.caller(headers)))
            return median(bare), median(whole)
    finally:
        await runner.cleanup()


def main() -> int:
    bare, whole = uvloop.run(measure())
    print("| check | us of CPU | times |")
    print("| --- | ---: | ---: |")
    print(f"| the bare RSA signature | {bare:.1f} | 1 |")
    print(f"| from the header to the caller | {whole:.1f} | {whole / bare:.1f} |")
    print(f"\nthe goal, under {MOST_US} us: {'met' if whole < MOST_US else 'missed'}")
    return int(whole >= MOST_US)


if __name__ == "__main__":
    sys.exit(main())
