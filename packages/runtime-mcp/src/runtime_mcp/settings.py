"""The environment of the tool gateway, and its only reader.

A missing or wrong value is one readable line that names the variable, before anything starts.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from sqlalchemy.exc import ArgumentError

from chassis.addresses import is_loopback
from chassis.identity.api_keys import parse_keys
from chassis.identity.settings import KeycloakSettings
from chassis.setting_values import http_url, unless_empty
from chassis.settings import load
from chassis.telemetry.settings import OtlpSettings
from runtime_mcp.allowlist import allowlist
from runtime_mcp.audit.database import engine_of
from runtime_mcp.upstreams.config import parse as parse_upstreams

Url = Annotated[str | None, BeforeValidator(unless_empty), AfterValidator(http_url)]
SHORTEST_KEY = 32


def valid(path: Path, parse: Callable[[str], object]) -> Path:
    try:
        text = path.read_text()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    parse(text)
    return path


def known_database(value: SecretStr) -> SecretStr:
    try:
        engine_of(value.get_secret_value())
    except ArgumentError:
        raise ValueError("is no sqlite:///… or postgresql://…") from None
    return value


def set_with_keys(value: Path | None, info: ValidationInfo) -> Path | None:
    if info.data.get("auth_mode") != "keys":
        return value
    if value is None:
        raise ValueError("required with AUTH_MODE=keys, and not set")
    return valid(value, parse_keys)


def reachable_by_whom(value: str, info: ValidationInfo) -> str:
    if info.data.get("auth_mode") == "disabled" and not is_loopback(value):
        raise ValueError(
            "AUTH_MODE=disabled makes all who reach this address one agent; keep to 127.0.0.1"
        )
    return value


def long_enough(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"has fewer than {SHORTEST_KEY} characters")
    return value


class Settings(KeycloakSettings, OtlpSettings):
    """What the environment says; every variable is in the README's table."""

    allowlist_file: Annotated[Path, AfterValidator(lambda path: valid(path, allowlist.parse))]
    upstreams_file: Annotated[
        Path,
        AfterValidator(lambda path: valid(path, lambda text: parse_upstreams(text, environment()))),
    ]
    auth_mode: Literal["keycloak", "keys", "disabled"] = "keycloak"
    agent_keys_file: Annotated[
        Path | None, BeforeValidator(unless_empty), AfterValidator(set_with_keys)
    ] = None
    local_agent: str = "local"
    database_url: Annotated[
        SecretStr, BeforeValidator(unless_empty), AfterValidator(known_database)
    ] = SecretStr("sqlite:///audit.db")
    audit_capture_content: bool = False
    audit_retention_days: int = Field(365, ge=30, le=3650)
    audit_chain_key: Annotated[
        SecretStr | None, BeforeValidator(unless_empty), AfterValidator(long_enough)
    ] = None
    llm_service_url: Url = None
    tool_timeout_seconds: float = Field(60, gt=0, allow_inf_nan=False)
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024)
    otel_service_name: str = "em-runtime-mcp"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    host: Annotated[str, Field(min_length=1), AfterValidator(reachable_by_whom)] = "127.0.0.1"
    port: int = Field(8004, ge=0, le=65535)


def environment() -> Mapping[str, str]:
    """This process's, for what the upstreams file refers to."""
    return os.environ  # noqa: TID251 - its only reader


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsError: a variable is missing or senseless; one line for each of them.
    """
    return load(Settings)
