"""The realm: its keys can be had, and it calls itself what the tokens will be compared with."""

from msgspec import MsgspecError

from api.doctor.findings import Check, Finding, failed, ok, skipped, unknown
from api.doctor.http import Http, NoAnswer
from api.doctor.place import Place
from api.settings import Settings
from chassis.identity.jwks import keys_of

OFF = "AUTH_MODE=disabled: anybody may call"


class RealmChecks:
    def __init__(self, settings: Settings, http: Http, place: Place) -> None:
        self._settings = settings
        self._http = http
        self._place = place

    def checks(self) -> list[Check]:
        return [
            Check("realm_keys", self.keys),
            Check("realm_issuer", self.issuer, ["realm_keys"]),
        ]

    async def keys(self) -> Finding:
        if self._settings.auth_mode == "disabled":
            return skipped(OFF)
        try:
            answer = await self._http.get("Keycloak", self._settings.jwks_url())
        except NoAnswer as nothing:
            return failed(
                f"The realm's server {nothing.what}, and nobody can be let in.",
                nothing.how,
                "bring the realm's server back, or set KEYCLOAK_JWKS_URL to its address from here",
            )
        try:
            keys = keys_of(answer.body) if answer.status == 200 else {}
        except MsgspecError:
            keys = {}
        if not keys:
            return failed(
                "What answers there has no RSA key for signatures.",
                answer.how,
                "look at KEYCLOAK_ISSUER_URL, which ends in /realms/<realm>, or KEYCLOAK_JWKS_URL",
            )
        return ok(f"The realm has {len(keys)} keys to sign tokens with.", answer.how)

    async def issuer(self) -> Finding:
        expected = self._settings.keycloak_issuer_url
        if self._settings.auth_mode == "disabled" or expected is None:
            return skipped(OFF)
        url = f"{expected.rstrip('/')}/.well-known/openid-configuration"
        try:
            answer = await self._http.get("Keycloak", url)
        except NoAnswer as nothing:
            return unknown("The realm cannot be asked what it calls itself.", nothing.how)
        said = answer.json().get("issuer")
        if answer.status != 200 or not isinstance(said, str):
            return unknown("The realm does not say what it calls itself.", answer.how)
        if said != expected:
            return failed(
                f"The realm calls itself {said}, and so will its tokens; all would be refused.",
                f"GET {url}: issuer {said}; KEYCLOAK_ISSUER_URL is {expected}",
                f"{self._place.set_variable('KEYCLOAK_ISSUER_URL', said)}, and where that cannot "
                f"be reached from here, KEYCLOAK_JWKS_URL to {self._settings.jwks_url()}",
            )
        return ok("The realm calls itself what the tokens are compared with.", f"GET {url}: {said}")
