"""The realm's keys: fetched seldom, kept through an outage, and only those that may sign."""

import asyncio
import json
from typing import Any

import pytest

from chassis.errors import IdentityUnavailable
from chassis.identity.jwks import LIFETIME_SECONDS, PAUSE_SECONDS, Jwks
from realm import jwk, private_key, running_realm

NOBODY = "http://127.0.0.1:9/certs"


async def test_one_fetch_serves_all_who_ask_at_once_and_after() -> None:
    async with running_realm() as realm, Jwks(realm.certs) as keys:
        found = await asyncio.gather(*(keys.key("first") for _ in range(100)))
        assert all(found)
        assert await keys.key("first")
        assert realm.fetches == 1


def test_the_keys_live_as_long_as_the_platform_says() -> None:
    assert (LIFETIME_SECONDS, PAUSE_SECONDS) == (600, 10)


async def test_a_flood_of_unknown_kids_is_one_fetch_in_ten_seconds() -> None:
    async with running_realm() as realm, Jwks(realm.certs) as keys:
        assert await keys.key("first")
        found = await asyncio.gather(*(keys.key(f"unknown-{n}") for n in range(1000)))
        assert found == [None] * 1000
        assert realm.fetches == 1


async def test_a_new_key_is_found_once_the_pause_is_over_and_at_once_then() -> None:
    new = private_key()
    async with running_realm() as realm, Jwks(realm.certs, pause=1) as keys:
        assert await keys.key("first")
        realm.keys["second"] = new
        assert await keys.key("second") is None
        await asyncio.sleep(1.1)
        assert await keys.key("second")
        assert await keys.key("first")
        assert realm.fetches == 2


async def test_a_key_that_the_realm_took_back_is_gone_when_its_time_is_over() -> None:
    async with running_realm() as realm, Jwks(realm.certs, lifetime=0.2, pause=0) as keys:
        assert await keys.key("first")
        realm.keys = {"second": private_key()}
        await asyncio.sleep(0.25)
        assert await keys.key("first") is None
        assert await keys.key("second")


async def test_keys_are_fetched_ahead_so_that_nobody_waits_for_them() -> None:
    async with running_realm() as realm, Jwks(realm.certs, lifetime=60, pause=0) as keys:
        assert await keys.key("first")
        realm.delay = 5
        async with asyncio.timeout(2):
            assert await keys.key("first")


BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "an error": {"status": 500},
    "a redirect": {"status": 302},
    "no JSON": {"body": b"<html>"},
    "no keys": {"body": b'{"keys": []}'},
    "no key set": {"body": b"[]"},
    "too deep": {"body": b'{"keys": [{"kty": ' + b"[" * 5000},
    "too much": {"body": b" " * (17 * 1024 * 1024)},
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_the_last_good_keys_stay_while_the_realm_is_away(answer: dict[str, Any]) -> None:
    async with running_realm() as realm, Jwks(realm.certs, lifetime=0.1, pause=0) as keys:
        assert await keys.key("first")
        for name, value in answer.items():
            setattr(realm, name, value)
        await asyncio.sleep(0.15)
        assert await keys.key("first")
        assert realm.fetches == 2
        with pytest.raises(IdentityUnavailable) as raised:
            await keys.key("unknown")
        assert realm.certs in raised.value.reason


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_without_any_keys_nobody_can_tell(answer: dict[str, Any]) -> None:
    async with running_realm() as realm, Jwks(realm.certs, pause=0) as keys:
        for name, value in answer.items():
            setattr(realm, name, value)
        assert not await keys.is_loaded()
        with pytest.raises(IdentityUnavailable):
            await keys.key("first")
        realm.status, realm.body = 200, None
        assert await keys.key("first")
        assert await keys.is_loaded()


async def test_a_realm_that_is_not_there_is_asked_once_in_a_pause() -> None:
    async with Jwks(NOBODY) as keys:
        for _ in range(3):
            with pytest.raises(IdentityUnavailable):
                await keys.key("first")


async def test_who_leaves_while_the_keys_are_fetched_takes_them_from_nobody() -> None:
    async with running_realm() as realm, Jwks(realm.certs) as keys:
        realm.delay = 0.3
        first = asyncio.create_task(keys.key("first"))
        second = asyncio.create_task(keys.key("first"))
        await asyncio.sleep(0.1)
        first.cancel()
        assert await second
        assert realm.fetches == 1


async def test_a_key_that_may_not_sign_with_rs256_is_none_of_the_realms() -> None:
    key = private_key()
    short = private_key(1024)
    unusable = [
        jwk("encrypts", key, use="enc", alg="RSA-OAEP"),
        jwk("ps256", key, alg="PS256"),
        jwk("short", short),
        jwk("nameless", key) | {"kid": None},
        {"kid": "octets", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kid": "lies", "kty": "oct", "k": "c2VjcmV0", "alg": "RS256"},
        {"kid": "broken", "kty": "RSA", "alg": "RS256", "n": "?", "e": "?"},
        {"kid": "half", "kty": "RSA", "alg": "RS256"},
        {},
    ]
    async with running_realm() as realm, Jwks(realm.certs) as keys:
        realm.more_keys = unusable
        assert await keys.key("first")
        for entry in unusable:
            assert await keys.key(str(entry.get("kid"))) is None, json.dumps(entry)[:60]
