"""The variables of OpenFGA."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo

from chassis.setting_values import http_url, unless_empty
from chassis.settings import ServiceSettings


def set_with_openfga(value: str | None, info: ValidationInfo) -> str | None:
    if (value is None) != (info.data.get("openfga_api_url") is None):
        raise ValueError("OPENFGA_API_URL and OPENFGA_STORE_ID are set together, or not at all")
    return value


class OpenFgaSettings(ServiceSettings):
    """Where the caller's right on a project is asked for; nowhere without them."""

    openfga_api_url: Annotated[
        str | None, BeforeValidator(unless_empty), AfterValidator(http_url)
    ] = None
    openfga_store_id: Annotated[
        str | None, BeforeValidator(unless_empty), AfterValidator(set_with_openfga)
    ] = None
    openfga_api_token: Annotated[SecretStr | None, BeforeValidator(unless_empty)] = None
