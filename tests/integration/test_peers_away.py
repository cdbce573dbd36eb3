"""Keys that change, a Keycloak that cannot be reached, an OpenFGA that is gone.

The service asks for the realm's keys at a door of the test, which counts and can be shut: to the
service a shut door is a Keycloak that was killed, and the others may go on with theirs.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from conftest import RunningProvider
from identity.keycloak import Keycloak
from identity.openfga import Store
from identity.peers import start_openfga
from identity_peers import Asking, between, parts_of, supervised
from local.run.ports import free_port
from running import RunningGateway


@dataclass
class Door:
    """The way to the realm's keys."""

    keys: str
    port: int
    runner: web.AppRunner | None = None
    opened: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    async def answer(self, _: web.Request) -> web.Response:
        self.opened += 1
        async with aiohttp.ClientSession() as http, http.get(self.keys) as response:
            return web.Response(body=await response.read(), content_type="application/json")

    async def open(self) -> None:
        app = web.Application()
        app.router.add_get("/keys", self.answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()

    async def shut(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
        self.runner = None


@pytest.fixture
async def door(keycloak: Keycloak) -> AsyncIterator[Door]:
    made = Door(f"{keycloak.issuer}/protocol/openid-connect/certs", free_port())
    yield made
    await made.shut()


@asynccontextmanager
async def behind(
    door: Door, keycloak: Keycloak, store: Store, gateway: RunningGateway, folder: Path
) -> AsyncIterator[Asking]:
    changed = {"KEYCLOAK_JWKS_URL": door.url}
    async with between(keycloak, store, gateway, folder, **changed) as api:
        yield Asking(api, keycloak)


async def test_a_new_key_of_the_realm_is_known_soon_and_the_old_one_goes_on(
    door: Door, keycloak: Keycloak, store: Store, gateway: RunningGateway, tmp_path: Path
) -> None:
    await door.open()
    async with behind(door, keycloak, store, gateway, tmp_path) as ask:
        old = ask.token("ada")
        assert await ask("GET /llm/models", old) == (200, None)
        assert door.opened == 1
        keycloak.rotate_keys()
        new = ask.token("ada")
        assert parts_of(new)[0]["kid"] != parts_of(old)[0]["kid"]
        async with asyncio.timeout(15):
            while (await ask("GET /llm/models", new))[0] != 200:
                assert await ask("GET /llm/models", old) == (200, None)
                await asyncio.sleep(0.5)
        assert await ask("GET /llm/models", old) == (200, None)
        assert door.opened == 2, "however many tokens came with the new key meanwhile"


async def test_the_keys_that_are_known_outlive_the_keycloak_they_came_from(
    door: Door, keycloak: Keycloak, store: Store, gateway: RunningGateway, tmp_path: Path
) -> None:
    await door.open()
    async with behind(door, keycloak, store, gateway, tmp_path) as ask:
        assert await ask("GET /llm/models", ask.token("ada")) == (200, None)
        await door.shut()
        assert await ask("GET /llm/models", ask.token("ada")) == (200, None)
        assert await ask("POST /llm/complete", ask.token("vera")) == (403, "permission_denied")


async def test_without_a_key_nobody_is_told_from_another_until_keycloak_is_there(
    door: Door,
    keycloak: Keycloak,
    store: Store,
    gateway: RunningGateway,
    provider: RunningProvider,
    tmp_path: Path,
) -> None:
    prompt = "Asked before there were keys"
    async with behind(door, keycloak, store, gateway, tmp_path) as ask:
        said = await ask("POST /llm/complete", ask.token("ada"), prompt=prompt)
        assert said == (503, "identity_unavailable")
        assert provider.seen.for_prompt(prompt) == []
        await door.open()
        async with asyncio.timeout(15):
            while (await ask("POST /llm/complete", ask.token("ada"), prompt=prompt))[0] != 200:
                await asyncio.sleep(0.5)


async def test_when_openfga_is_gone_nobody_new_gets_in_and_no_call_is_made(
    keycloak: Keycloak,
    gateway: RunningGateway,
    provider: RunningProvider,
    tmp_path: Path,
) -> None:
    prompt = "Asked while nobody could tell"
    key = secrets.token_urlsafe()
    with supervised(tmp_path) as supervision:
        store = Store.loaded(start_openfga(supervision, free_port(), key), key)
        async with between(keycloak, store, gateway, tmp_path) as api:
            ask = Asking(api, keycloak)
            assert (await ask("POST /llm/complete", ask.token("vera")))[0] == 403
            supervision.end()
            said = await ask("POST /llm/complete", ask.token("ada"), prompt=prompt)
            assert said == (503, "access_unavailable")
            async with asyncio.timeout(8):
                while (await ask("POST /llm/complete", ask.token("vera")))[0] != 503:
                    await asyncio.sleep(0.5)
    assert provider.seen.for_prompt(prompt) == []
