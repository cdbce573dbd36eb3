"""The variables of a Keycloak realm."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from chassis.setting_values import certificates_of, http_url, set_with_keycloak, unless_empty
from chassis.settings import ServiceSettings


class KeycloakSettings(ServiceSettings):
    """How callers prove who they are, and by tokens of which realm.

    A service says which values `auth_mode` may have.
    """

    auth_mode: str = "keycloak"
    keycloak_issuer_url: Annotated[
        str | None,
        BeforeValidator(unless_empty),
        AfterValidator(http_url),
        AfterValidator(set_with_keycloak),
    ] = None
    keycloak_audience: Annotated[
        str | None, BeforeValidator(unless_empty), AfterValidator(set_with_keycloak)
    ] = None
    keycloak_jwks_url: Annotated[
        str | None, BeforeValidator(unless_empty), AfterValidator(http_url)
    ] = None

    def jwks_url(self) -> str:
        """Where the realm's keys are: where Keycloak has them, unless another place is named."""
        return self.keycloak_jwks_url or certificates_of(self.keycloak_issuer_url)
