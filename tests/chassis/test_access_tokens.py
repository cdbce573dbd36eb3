"""Who a token names, and every way in which one can be no token of ours."""

import base64
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from chassis.errors import Unauthenticated
from chassis.identity.access_tokens import AccessTokens
from chassis.identity.callers import Caller
from chassis.identity.jwks import Jwks
from realm import AUDIENCE, Realm, forged, jwk, private_key, running_realm


@pytest.fixture(scope="module")
async def realm() -> AsyncIterator[Realm]:
    async with running_realm() as running:
        yield running


@pytest.fixture
async def tokens(realm: Realm) -> AsyncIterator[AccessTokens]:
    async with Jwks(realm.certs) as keys:
        yield AccessTokens(keys, realm.issuer, AUDIENCE)


async def refused(tokens: AccessTokens, token: str) -> str:
    with pytest.raises(Unauthenticated) as raised:
        await tokens.caller(token)
    return raised.value.reason


async def test_an_access_token_of_the_realm_names_its_caller(
    realm: Realm, tokens: AccessTokens
) -> None:
    assert await tokens.caller(realm.token()) == Caller(realm.claims()["sub"], "acme")


async def test_without_org_id_the_last_part_of_the_issuer_is_the_organisation(
    realm: Realm, tokens: AccessTokens
) -> None:
    assert (await tokens.caller(realm.token(org_id=None))).organisation == "craft"


async def test_one_audience_and_one_among_several_are_both_ours(
    realm: Realm, tokens: AccessTokens
) -> None:
    assert await tokens.caller(realm.token(aud=AUDIENCE))
    assert await tokens.caller(realm.token(aud=["account", AUDIENCE]))


async def test_a_clock_may_be_a_few_seconds_off(realm: Realm, tokens: AccessTokens) -> None:
    now = int(time.time())
    assert await tokens.caller(realm.token(exp=now - 2))
    assert await tokens.caller(realm.token(nbf=now + 3, iat=now + 3))


async def test_an_access_token_may_say_so_in_its_header(realm: Realm, tokens: AccessTokens) -> None:
    assert await tokens.caller(realm.token(headers={"typ": "at+jwt"}, typ=None))


NOW = int(time.time())
BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 60},
    "no expiry": {"exp": None},
    "an expiry that is no number": {"exp": "tomorrow"},
    "not valid yet": {"nbf": NOW + 600},
    "issued in the future": {"iat": NOW + 600},
    "no time of issue": {"iat": None},
    "no issuer": {"iss": None},
    "an issuer that is a list": {"iss": ["http://127.0.0.1/realms/craft"]},
    "another issuer": {"iss": "https://evil.example/realms/craft"},
    "no audience": {"aud": None},
    "an empty audience": {"aud": []},
    "another audience": {"aud": ["account"]},
    "an audience that begins like ours": {"aud": f"{AUDIENCE}-2"},
    "an audience in another case": {"aud": AUDIENCE.upper()},
    "an audience in a longer text": {"aud": f"account {AUDIENCE}"},
    "an audience that is an object": {"aud": {AUDIENCE: True}},
    "only azp": {"aud": None, "azp": AUDIENCE},
    "an ID token": {"typ": "ID"},
    "a refresh token": {"typ": "Refresh"},
    "an offline token": {"typ": "Offline"},
    "a logout token": {"typ": "Logout"},
    "no kind": {"typ": None},
    "a kind that is a list": {"typ": ["Bearer"]},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "everybody as subject": {"sub": "*"},
    "a subject that is a user set": {"sub": "org:acme#member"},
    "a subject with a line break": {"sub": "ada\n"},
    "an organisation that is a list": {"org_id": ["acme", "other"]},
    "an organisation with a slash": {"org_id": "acme/ada"},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
async def test_claims_that_are_not_right_are_refused(
    realm: Realm, tokens: AccessTokens, claims: dict[str, Any]
) -> None:
    assert await refused(tokens, realm.token(**claims))


@pytest.mark.parametrize("change", ["{}/", "{}x", " {}", "{}?", "{}/../craft"])
async def test_an_issuer_is_compared_to_the_letter(
    realm: Realm, tokens: AccessTokens, change: str
) -> None:
    reason = await refused(tokens, realm.token(iss=change.format(realm.issuer)))
    assert "'iss'" in reason


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, "HS256", ["RS256"]])
async def test_a_token_that_nobody_signed_is_refused(
    realm: Realm, tokens: AccessTokens, alg: Any
) -> None:
    header = {"alg": alg, "kid": "first", "typ": "JWT"}
    assert await refused(tokens, forged(header, realm.claims()))
    assert await refused(tokens, forged(header, realm.claims(), b"signature"))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
async def test_the_public_key_is_no_shared_secret(
    realm: Realm, tokens: AccessTokens, encoding: Encoding
) -> None:
    public = realm.keys["first"].public_key()
    secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": "first", "typ": "JWT"}
    unsigned = forged(header, realm.claims()).rstrip(".").encode()
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    token = unsigned + b"." + base64url_encode(signature.sign(unsigned, secret))
    assert "RS256" in await refused(tokens, token.decode())


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
async def test_the_algorithm_is_ours_even_for_the_right_key(
    realm: Realm, tokens: AccessTokens, alg: str
) -> None:
    token = jwt.encode(realm.claims(), realm.keys["first"], alg, headers={"kid": "first"})
    assert "RS256" in await refused(tokens, token)


async def test_another_key_under_a_known_kid_is_refused(realm: Realm, tokens: AccessTokens) -> None:
    token = jwt.encode(realm.claims(), private_key(), "RS256", headers={"kid": "first"})
    assert (await refused(tokens, token)).startswith("BadSignatureError")


@pytest.mark.parametrize(
    "kid",
    [None, 7, ["first"], "../../../dev/null", "' OR 1=1 --", "FIRST", "first\x00", "x" * 5000],
)
async def test_a_kid_is_only_ever_looked_up(realm: Realm, tokens: AccessTokens, kid: Any) -> None:
    assert await refused(tokens, forged({"alg": "RS256", "kid": kid}, realm.claims(), b"x"))


async def test_a_key_that_the_token_brings_along_is_not_looked_at(
    realm: Realm, tokens: AccessTokens
) -> None:
    async with running_realm() as other:
        brought = jwk("mine", other.keys["first"])
        for kid in ("first", "mine"):
            headers = {
                "kid": kid,
                "jwk": brought,
                "jku": other.certs,
                "x5u": other.certs,
                "x5c": [base64.b64encode(b"certificate").decode()],
            }
            token = jwt.encode(realm.claims(), other.keys["first"], "RS256", headers=headers)
            assert await refused(tokens, token)
        assert other.fetches == 0


@pytest.mark.parametrize("extra", [{"crit": ["exp"]}, {"b64": False}])
async def test_a_header_that_must_be_understood_is_not_passed_over(
    realm: Realm, tokens: AccessTokens, extra: dict[str, Any]
) -> None:
    assert await refused(tokens, realm.token(headers=extra))


@pytest.mark.parametrize("crit", [5, True, None, [5], [[]]])
async def test_a_crit_that_is_no_list_of_names_is_refused(
    realm: Realm, tokens: AccessTokens, crit: Any
) -> None:
    header = {"alg": "RS256", "kid": "first", "crit": crit}
    assert await refused(tokens, forged(header, realm.claims(), b"x"))


@pytest.mark.parametrize("depth", [500, 2000, 5000])
async def test_a_header_of_any_depth_is_refused(tokens: AccessTokens, depth: int) -> None:
    deep = b'{"alg": "RS256", "kid": "first", "x": ' + b"[" * depth + b"]" * depth + b"}"
    assert await refused(tokens, f"{base64url_encode(deep).decode()}.e30.eA")


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "a.b.c.d.e", "\x00", "é.é.é", "x" * 20_000, "e30.e30."]
)
async def test_what_is_no_token_is_refused(tokens: AccessTokens, token: str) -> None:
    assert await refused(tokens, token)


async def test_a_changed_character_anywhere_is_refused(realm: Realm, tokens: AccessTokens) -> None:
    token = realm.token()
    for position in range(0, len(token) - 2, 7):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        assert await refused(tokens, changed), position
