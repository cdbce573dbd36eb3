"""The realm's public keys: kept for ten minutes, and through an outage of the realm's server.

A key that is not known is looked for once more, but not at each request that names one.
"""

import asyncio
import warnings
from types import TracebackType
from typing import Any, Self

import msgspec
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import RSAKey

from chassis.errors import IdentityUnavailable
from chassis.http.bounded_get import NoAnswer, bounded_get, http_client
from chassis.http.client_body import loop_time
from chassis.logs import log

LIFETIME_SECONDS = 600.0
AHEAD_SECONDS = 60.0
PAUSE_SECONDS = 10.0
FETCH_SECONDS = 5.0


class Jwks:
    """
    Args:
        url: of the realm's JSON Web Key Set (RFC 7517).
        lifetime: seconds after which the keys are fetched anew.
        pause: seconds from one fetch to the next, at least.
    """

    def __init__(
        self, url: str, *, lifetime: float = LIFETIME_SECONDS, pause: float = PAUSE_SECONDS
    ) -> None:
        self._url = url
        self._lifetime = lifetime
        self._pause = pause
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._failure: str | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._http = http_client()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        await self._http.aclose()

    async def key(self, key_id: str) -> RSAKey | None:
        """The public key of this id, or None when the realm has none.

        Raises:
            IdentityUnavailable: it is not known, and the realm cannot be asked.
        """
        age = loop_time() - self._fetched_at
        # 2. Where the realm has just failed nobody waits for it again: the last good keys stay.
        if age > self._lifetime and self._failure is None:
            await self._refreshed()
        elif age > self._lifetime - AHEAD_SECONDS:
            self._refresh()
        if key_id not in self._keys:
            await self._refreshed()
        found = self._keys.get(key_id)
        if found is None and self._failure is not None:
            raise IdentityUnavailable(self._failure)
        return found

    @property
    def age(self) -> float:
        """Seconds since the keys were read; infinite when they never were."""
        return loop_time() - self._fetched_at

    async def is_loaded(self) -> bool:
        """Whether there ever were keys; asks for them where there are none."""
        if not self._keys:
            await self._refreshed()
        return bool(self._keys)

    async def _refreshed(self) -> None:
        if (fetching := self._refresh()) is not None:
            await asyncio.shield(fetching)

    def _refresh(self) -> "asyncio.Task[None] | None":
        """The fetch that runs, or a new one; None so soon after the last."""
        if self._fetching is None and loop_time() - self._asked_at >= self._pause:
            self._asked_at = loop_time()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            keys = keys_of(await self._read())
            if not keys:
                raise ValueError("no RSA key for signatures in it")
        except (NoAnswer, ValueError, RecursionError) as error:
            self._failure = f"{self._url}: {type(error).__name__}: {error}"
            log.warning(
                "realm_keys_not_read", reason=self._failure, remedy=IdentityUnavailable.remedy
            )
        else:
            self._keys, self._failure, self._fetched_at = keys, None, loop_time()
            log.info("realm_keys_read", keys=len(keys))
        finally:
            self._fetching = None

    async def _read(self) -> bytes:
        answer = await bounded_get(self._http, self._url, FETCH_SECONDS)
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return answer.body


class KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def keys_of(data: bytes) -> dict[str, RSAKey]:
    """The keys of a JSON Web Key Set that may sign tokens with RS256; others are left out.

    Raises:
        MsgspecError: it is not a key set.
    """
    found: dict[str, RSAKey] = {}
    for entry in msgspec.json.decode(data, type=KeySet).keys:
        signs = entry.get("use", "sig") == "sig" and entry.get("alg", "RS256") == "RS256"
        key_id = entry.get("kid")
        if not signs or entry.get("kty") != "RSA" or not isinstance(key_id, str):
            continue
        try:
            with warnings.catch_warnings(action="error", category=SecurityWarning):
                key = RSAKey.import_key(entry)
        except (JoseError, SecurityWarning, ValueError, TypeError):
            continue  # a key that is too short, too
        if not key.is_private:
            found.setdefault(key_id, key)
    return found
