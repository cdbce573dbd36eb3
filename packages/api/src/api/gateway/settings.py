"""The variables of the gateway, and of who calls it."""

from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    HttpUrl,
    InstanceOf,
    SecretStr,
    TypeAdapter,
    ValidationInfo,
)

from api import NAME
from api.gateway.attribution import Solution
from api.gateway.key import GatewayKey
from chassis.setting_values import one_line_key, unless_empty
from chassis.settings import ServiceSettings


def gateway_url(value: str) -> str:
    url = TypeAdapter(HttpUrl).validate_python(value)
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must have no user, password, query or fragment")
    base = str(url).rstrip("/")
    if not base.endswith("/v1"):
        raise ValueError("must be the gateway's OpenAI base URL, ending in /v1")
    return base


def readable_key_file(value: Path | None) -> Path | None:
    try:
        if value is not None:
            GatewayKey.from_file(value)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    return value


def unless_both(value: Path | None, info: ValidationInfo) -> Path | None:
    is_at_fault_itself = "llm_gateway_api_key" not in info.data
    if is_at_fault_itself or (info.data["llm_gateway_api_key"] is None) != (value is None):
        return value
    if value is None:
        mistake = "required but not set, here or in LLM_GATEWAY_API_KEY_FILE"
    else:
        mistake = "set it, or LLM_GATEWAY_API_KEY_FILE, not both"
    raise ValueError(f"LLM_GATEWAY_API_KEY: {mistake}")


class GatewaySettings(ServiceSettings):
    """Where the gateway is, the key it wants, and the solution that calls."""

    llm_gateway_url: Annotated[str, AfterValidator(gateway_url)]
    llm_gateway_api_key: Annotated[
        SecretStr | None, BeforeValidator(unless_empty), AfterValidator(one_line_key)
    ] = None
    llm_gateway_api_key_file: Annotated[
        Path | None,
        BeforeValidator(unless_empty),
        AfterValidator(readable_key_file),
        AfterValidator(unless_both),
    ] = None
    solution: Annotated[InstanceOf[Solution], BeforeValidator(Solution)] = Solution(NAME)

    def gateway_key(self) -> GatewayKey:
        """The key for the gateway, from wherever it comes."""
        if self.llm_gateway_api_key_file is not None:
            return GatewayKey.from_file(self.llm_gateway_api_key_file)
        given = self.llm_gateway_api_key or SecretStr("")
        return GatewayKey(given.get_secret_value())
