"""The whole environment contract, and the only reader of the environment.

A missing or senseless value is one readable line that names the variable, before anything starts.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
)
from pydantic_settings import EnvSettingsSource, NoDecode

from api.gateway.settings import GatewaySettings
from api.langfuse.settings import LangfuseSettings  # removable: langfuse
from api.litellm_client.settings import LitellmSettings  # removable: litellm
from api.llm.settings import LlmSettings
from api.openfga.settings import OpenFgaSettings  # removable: openfga
from api.redis_state.settings import RedisSettings  # removable: redis
from api.resumable.settings import ResumableSettings  # removable: resumable
from chassis.addresses import is_loopback, path_prefix, web_origins
from chassis.identity.settings import KeycloakSettings
from chassis.setting_values import split, unless_empty
from chassis.settings import load
from chassis.telemetry.settings import OtlpSettings

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


def reachable_by_whom(value: str, info: ValidationInfo) -> str:
    said_twice = info.data.get("auth_disabled_off_loopback")
    if info.data.get("auth_mode") == "disabled" and not said_twice and not is_loopback(value):
        raise ValueError(
            "AUTH_MODE=disabled lets anybody in who reaches this address; keep to 127.0.0.1, or "
            "say it twice: AUTH_DISABLED_OFF_LOOPBACK=true"
        )
    return value


class Settings(
    OtlpSettings,
    LangfuseSettings,  # removable: langfuse
    OpenFgaSettings,  # removable: openfga
    KeycloakSettings,
    RedisSettings,  # removable: redis
    ResumableSettings,  # removable: resumable
    LitellmSettings,  # removable: litellm
    LlmSettings,
    GatewaySettings,
):
    """What the environment says; every variable is in the README's table.

    Mistakes are told in the order of the fields, which begins with those of the last class.
    """

    llm_stream_patience_seconds: float = Field(10, gt=0, allow_inf_nan=False)
    llm_max_in_flight: int = Field(1000, ge=1)
    max_body_bytes: int = Field(2 * 1024 * 1024, ge=1024)
    auth_mode: Literal["keycloak", "disabled"] = "keycloak"
    auth_disabled_off_loopback: bool = False
    otel_service_name: Annotated[str | None, BeforeValidator(unless_empty)] = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    host: Annotated[str, Field(min_length=1), AfterValidator(reachable_by_whom)] = "127.0.0.1"
    root_path: Annotated[str, AfterValidator(path_prefix)] = ""
    cors_allow_origins: Annotated[Names, AfterValidator(web_origins)] = ()
    port: int = Field(8000, ge=0, le=65535)

    @property
    def service_name(self) -> str:
        """What spans say they come from."""
        return self.otel_service_name or str(self.solution)


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsError: a variable is missing or senseless; one line for each of them.
    """
    return load(Settings)


def odd_values() -> dict[str, str]:
    """The variables that were set but hold nothing, or end in a line break; and which of the two.

    Neither is refused: an empty value means the default, and a key's line break is taken off.
    """
    given = EnvSettingsSource(Settings).env_vars
    return {
        name.upper(): "ends in a line break" if value else "is set, and empty"
        for name, value in given.items()
        if name in Settings.model_fields and value is not None
        if not value or value.endswith("\n")
    }


def namespace_of_pod() -> str | None:
    """The namespace, when this is a pod of Kubernetes; None elsewhere."""
    if "kubernetes_service_host" not in EnvSettingsSource(Settings).env_vars:
        return None
    try:
        return NAMESPACE.read_text().strip()
    except OSError:
        return "<namespace>"
