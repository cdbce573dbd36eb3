"""A Keycloak as its administrator and its users see it."""

import time
from dataclasses import dataclass
from typing import Any

from identity.json_http import request

REALM = "craft"
UI = "craft-ui"
JOB = "craft-job"
USERS = ("ada", "vera", "otto")


@dataclass(frozen=True)
class Keycloak:
    """
    Attributes:
        url: without a path.
        admin_password: of the user `admin` in the realm `master`.
    """

    url: str
    admin_password: str

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{REALM}"

    def tokens(self, user: str, password: str, client: str = UI) -> dict[str, str]:
        """The answer of the token endpoint to a user: an access, an ID and a refresh token."""
        form = {"grant_type": "password", "client_id": client, "scope": "openid"}
        return self._tokens(self.issuer, form | {"username": user, "password": password})

    def job_tokens(self) -> dict[str, str]:
        """The same for the service account."""
        secret = self.admin("GET", f"/clients/{self.id_of(JOB)}/client-secret")["value"]
        form = {"grant_type": "client_credentials", "client_id": JOB, "client_secret": secret}
        return self._tokens(self.issuer, form)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """A request of the administrator to the realm.

        Args:
            path: below the realm, as in `/users`.
        """
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin"}
        form |= {"password": self.admin_password}
        token = self._tokens(f"{self.url}/realms/master", form)["access_token"]
        return request(method, f"{self.url}/admin/realms/{REALM}{path}", body, token=token)

    def id_of(self, client: str) -> str:
        (found,) = self.admin("GET", f"/clients?clientId={client}")
        return str(found["id"])

    def set_passwords(self, password: str) -> None:
        """Lets the users of the realm in; the realm's file has no password of theirs."""
        for name in USERS:
            (user,) = self.admin("GET", f"/users?exact=true&username={name}")
            given = {"type": "password", "value": password, "temporary": False}
            self.admin("PUT", f"/users/{user['id']}/reset-password", given)

    def rotate_keys(self) -> None:
        """From now on tokens are signed with a new key; the old one stays known."""
        newest = str(int(time.time()))
        self.admin(
            "POST",
            "/components",
            {
                "name": f"rsa-{newest}",
                "providerId": "rsa-generated",
                "providerType": "org.keycloak.keys.KeyProvider",
                "config": {"priority": [newest], "algorithm": ["RS256"]},
            },
        )

    def _tokens(self, realm: str, form: dict[str, str]) -> dict[str, str]:
        answer: dict[str, str] = request(
            "POST", f"{realm}/protocol/openid-connect/token", form=form
        )
        return answer
