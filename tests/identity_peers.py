"""The real Keycloak and OpenFGA of a test, and what is in a token."""

import base64
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api_process import RunningApi, running_api
from identity.keycloak import JOB, Keycloak
from identity.load import environment
from identity.openfga import Store
from identity.peers import UnavailableError
from local.run.supervision import Supervision
from running import RunningGateway

PASSWORD = secrets.token_urlsafe(12)
ISSUED_FOR = "solution-api"


@contextmanager
def supervised(folder: Path) -> Iterator[Supervision]:
    """For what the block starts; it is skipped where that cannot be had."""
    with Supervision(folder) as supervision:
        try:
            yield supervision
        except UnavailableError as error:
            pytest.skip(str(error))


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(decoded(header)), json.loads(decoded(claims))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def environment_of(keycloak: Keycloak, store: Store) -> dict[str, str]:
    """What the API is told of both."""
    return environment(keycloak.issuer, store.url, store) | {"OPENFGA_API_TOKEN": store.token or ""}


def between(
    keycloak: Keycloak, store: Store, gateway: RunningGateway, folder: Path, **changes: str
) -> AbstractAsyncContextManager[RunningApi]:
    """The API that asks both who may call, in front of the gateway."""
    given = {
        "PATH": os.environ["PATH"],
        "LLM_GATEWAY_URL": gateway.url,
        "LLM_GATEWAY_API_KEY": gateway.key,
        "LLM_DEFAULT_MODEL": "ok",
        "LLM_FALLBACK_MODELS": ",",
        "PORT": "0",
    }
    return running_api(folder, given | environment_of(keycloak, store) | changes)


@dataclass(frozen=True)
class Asking:
    """A caller of the API, with tokens of the realm."""

    api: RunningApi
    keycloak: Keycloak

    def token(self, user: str) -> str:
        """An access token of a user, or of the job."""
        if user == JOB:
            return self.keycloak.job_tokens()["access_token"]
        return self.keycloak.tokens(user, PASSWORD)["access_token"]

    def subject(self, user: str) -> str:
        return str(parts_of(self.token(user))[1]["sub"])

    def open(self, route: str, token: str | None, project: str = "demo", **body: Any) -> Any:
        """
        Args:
            route: a method and a path.
        """
        method, _, path = route.partition(" ")
        headers = {"X-Project-ID": project}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        sent = {"prompt": "Who may ask?"} | body if method == "POST" else None
        return self.api.http.request(method, self.api.url + path, json=sent, headers=headers)

    async def __call__(
        self, route: str, token: str | None, project: str = "demo", **body: Any
    ) -> tuple[int, str | None]:
        """The status, and the code of a failure."""
        async with self.open(route, token, project, **body) as response:
            said = await response.text()
            code = None if response.status == 200 else json.loads(said)["code"]
            return response.status, code
