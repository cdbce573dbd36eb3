"""The whole environment contract, and the only reader of the environment.

A missing or senseless value is one readable line that names the variable, before anything starts.
"""

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    InstanceOf,
    RedisDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.attribution import Solution
from api.gateway_key import GatewayKey, checked_key

GEMINI_THINKING = (
    "gemini-3.5-flash",
    "gemini-3.1-pro-preview",
    "gemini-3.1-pro-preview-customtools",
)


class SettingsError(Exception):
    """The environment does not make sense; `lines` has one sentence for each variable."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def unless_empty(value: object) -> object:
    return value or None


def gateway_url(value: str) -> str:
    url = TypeAdapter(HttpUrl).validate_python(value)
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must have no user, password, query or fragment")
    base = str(url).rstrip("/")
    if not base.endswith("/v1"):
        raise ValueError("must be the gateway's OpenAI base URL, ending in /v1")
    return base


def gateway_key(value: SecretStr | None) -> SecretStr | None:
    return None if value is None else SecretStr(checked_key(value.get_secret_value()))


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


def with_litellm(value: str | bool) -> str | bool:
    if value in ("litellm", True) and find_spec("litellm") is None:
        raise ValueError("litellm is not installed; install the extra `litellm`")
    return value


def available_auth_mode(value: str) -> str:
    if value != "disabled":
        raise ValueError("only `disabled`, for local work, is available so far")
    return value


def url_of_redis(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        try:
            TypeAdapter(RedisDsn).validate_python(value.get_secret_value())
        except ValidationError:
            raise ValueError("must be the URL of a Redis, as in redis://host:6379/0") from None
    return value


def model_name(value: str) -> str:
    if not value.removeprefix("openai/").strip():
        raise ValueError("names no model")
    return value


def general_models(value: tuple[str, ...]) -> tuple[str, ...]:
    for model in map(model_name, value):
        if model.endswith("-customtools"):
            raise ValueError(f"{model} is made for tool-heavy agents and must not be a fallback")
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


class Settings(BaseSettings):
    """What the environment says; every variable is in the README's table."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, validate_default=True)

    llm_gateway_url: Annotated[str, AfterValidator(gateway_url)]
    llm_gateway_api_key: Annotated[
        SecretStr | None, BeforeValidator(unless_empty), AfterValidator(gateway_key)
    ] = None
    llm_gateway_api_key_file: Annotated[
        Path | None,
        BeforeValidator(unless_empty),
        AfterValidator(readable_key_file),
        AfterValidator(unless_both),
    ] = None
    llm_default_model: Annotated[str, AfterValidator(model_name)] = "openai/gemini-3.5-flash"
    llm_fallback_models: Annotated[Names, AfterValidator(general_models)] = (
        "openai/claude-opus-4-8",
        "openai/gemini-3.1-pro-preview",
    )
    llm_client: Annotated[Literal["wire", "litellm"], AfterValidator(with_litellm)] = "wire"
    llm_allow_local_models: Annotated[bool, AfterValidator(with_litellm)] = False
    llm_thinking_models: Names = GEMINI_THINKING
    llm_min_tokens_thinking: int = Field(200, ge=1)
    llm_repair_empty_answers: bool = True
    llm_timeout_seconds: float = Field(120, gt=0, allow_inf_nan=False)
    llm_stream_patience_seconds: float = Field(10, gt=0, allow_inf_nan=False)
    llm_stream_resume_seconds: float = Field(10, ge=0, allow_inf_nan=False)
    llm_max_in_flight: int = Field(1000, ge=1)
    max_body_bytes: int = Field(2 * 1024 * 1024, ge=1024)
    redis_url: Annotated[
        SecretStr | None, BeforeValidator(unless_empty), AfterValidator(url_of_redis)
    ] = None
    solution: Annotated[InstanceOf[Solution], BeforeValidator(Solution)] = Solution("llm-access")
    auth_mode: Annotated[Literal["keycloak", "disabled"], AfterValidator(available_auth_mode)] = (
        "keycloak"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    root_path: str = ""
    cors_allow_origins: Names = ()
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=0, le=65535)

    def gateway_key(self) -> GatewayKey:
        """The key for the gateway, from wherever it comes."""
        if self.llm_gateway_api_key_file is not None:
            return GatewayKey.from_file(self.llm_gateway_api_key_file)
        given = self.llm_gateway_api_key or SecretStr("")
        return GatewayKey(given.get_secret_value())

    @cached_property
    def thinking_aliases(self) -> frozenset[str]:
        """The thinking models as the gateway names them, without the `openai/` prefix."""
        return frozenset(name.removeprefix("openai/") for name in self.llm_thinking_models)


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsError: a variable is missing or senseless; one line for each of them.
    """
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError([line(problem) for problem in error.errors()]) from None


def line(problem: ErrorDetails) -> str:
    name = str(problem["loc"][0]).upper()
    reason = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        reason = "required but not set"
    return reason if reason.startswith("LLM_GATEWAY_API_KEY:") else f"{name}: {reason}"
