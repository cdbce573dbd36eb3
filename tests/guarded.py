"""A service that wants to know who calls: with a realm, an OpenFGA, and a gateway that counts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from yarl import URL

from openfga_stand_in import STORE, OpenFga, running_openfga
from provider import Call, Provider, create_app
from realm import AUDIENCE, Realm, running_realm
from running import Service, listening, serving_alone, settings_for

ADA = "7c0ad7f2-6a0c-4a3e-9d10-0d7a1c1f7a11"
VERA = "0e5b1d38-52c5-4a53-8a7e-1b7f2a1c9b22"
BODY = {"prompt": "Hello"}
CALLS = [
    ("POST", "/llm/complete"),
    ("POST", "/llm/stream"),
    ("POST", "/llm/stream-ticket"),
    ("GET", "/llm/stream?prompt=Hello"),
    ("GET", "/llm/test"),
    ("GET", "/llm/models"),
    ("GET", "/llm/usage"),
]


@dataclass
class Guarded:
    """On the project demo ada may all and vera may look."""

    service: Service
    realm: Realm
    openfga: OpenFga
    provider: Provider

    @property
    def calls(self) -> list[Call]:
        """What went to the gateway."""
        return self.provider.calls

    def token(self, **claims: Any) -> str:
        """A token of ada's, but for these claims."""
        return self.realm.token(**({"sub": ADA} | claims))

    def ask(
        self,
        method: str = "POST",
        path: str = "/llm/complete",
        *,
        project: str | None = "demo",
        authorization: str | None = "",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """
        Args:
            path: sent as it is written here.
            authorization: the header; ada's token where it is not given, and no header for None.
        """
        given = dict(headers or {})
        if project is not None:
            given["X-Project-ID"] = project
        if authorization is not None:
            given["Authorization"] = authorization or f"Bearer {self.token()}"
        if method == "POST":
            options.setdefault("json", BODY)
        url = URL(self.service.url + path, encoded=True)
        return self.service.http.request(
            method, url, headers=given, allow_redirects=False, **options
        )


async def models(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "ok"}]})


async def ready(_: web.Request) -> web.Response:
    return web.json_response({"status": "healthy"})


@asynccontextmanager
async def guarded(**changes: Any) -> AsyncIterator[Guarded]:
    """
    Args:
        changes: of the settings.
    """
    provider = Provider()
    app = create_app(provider)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/health/readiness", ready)
    async with running_realm() as realm, running_openfga() as openfga, listening(app) as url:
        settings: dict[str, Any] = {
            "auth_mode": "keycloak",
            "keycloak_issuer_url": realm.issuer,
            "keycloak_audience": AUDIENCE,
            "openfga_api_url": openfga.url,
            "openfga_store_id": STORE,
        }
        openfga.allowed = {
            (f"user:{ADA}", "can_execute", "project:demo"),
            (f"user:{ADA}", "can_read", "project:demo"),
            (f"user:{VERA}", "can_read", "project:demo"),
        }
        async with serving_alone(settings_for(f"{url}/v1", **(settings | changes))) as service:
            yield Guarded(service, realm, openfga, provider)
