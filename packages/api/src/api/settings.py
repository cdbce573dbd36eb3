"""The whole environment contract, and the only reader of the environment.

A missing or senseless value is one readable line that names the variable, before anything starts.
"""

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    InstanceOf,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.attribution import Solution

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
    url = str(TypeAdapter(HttpUrl).validate_python(value)).rstrip("/")
    if not url.endswith("/v1"):
        raise ValueError("must be the gateway's OpenAI base URL, ending in /v1")
    return url


def general_models(value: tuple[str, ...]) -> tuple[str, ...]:
    for model in value:
        if model.endswith("-customtools"):
            raise ValueError(f"{model} is made for tool-heavy agents and must not be a fallback")
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


class Settings(BaseSettings):
    """What the environment says; every variable is in the README's table."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    llm_gateway_url: Annotated[str, AfterValidator(gateway_url)]
    llm_gateway_api_key: Annotated[SecretStr | None, BeforeValidator(unless_empty)] = None
    llm_gateway_api_key_file: Annotated[Path | None, BeforeValidator(unless_empty)] = None
    llm_default_model: str = Field("openai/gemini-3.5-flash", min_length=1)
    llm_fallback_models: Annotated[Names, AfterValidator(general_models)] = (
        "openai/claude-opus-4-8",
        "openai/gemini-3.1-pro-preview",
    )
    llm_client: Literal["wire", "litellm"] = "wire"
    llm_allow_local_models: bool = False
    llm_thinking_models: Names = GEMINI_THINKING
    llm_min_tokens_thinking: int = Field(200, ge=1)
    llm_timeout_seconds: float = Field(120, gt=0)
    llm_stream_patience_seconds: float = Field(10, gt=0)
    llm_max_in_flight: int = Field(1000, ge=1)
    max_body_bytes: int = Field(2 * 1024 * 1024, ge=1024)
    solution: Annotated[InstanceOf[Solution], BeforeValidator(Solution)] = Solution("llm-access")
    auth_mode: Literal["keycloak", "disabled"] = "keycloak"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    root_path: str = ""
    cors_allow_origins: Names = ()
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)

    @model_validator(mode="after")
    def key_is_given_once(self) -> Self:
        if (self.llm_gateway_api_key is None) == (self.llm_gateway_api_key_file is None):
            raise ValueError("LLM_GATEWAY_API_KEY: set it, or LLM_GATEWAY_API_KEY_FILE, not both")
        return self

    @model_validator(mode="after")
    def auth_mode_is_available(self) -> Self:
        if self.auth_mode != "disabled":
            raise ValueError("AUTH_MODE: only `disabled`, for local work, is available so far")
        return self

    @model_validator(mode="after")
    def litellm_is_there(self) -> Self:
        wanted = self.llm_client == "litellm" or self.llm_allow_local_models
        if wanted and find_spec("litellm") is None:
            raise ValueError("LLM_CLIENT: litellm is not installed; install the extra `litellm`")
        return self

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
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return reason
    name = str(problem["loc"][0]).upper()
    return f"{name}: required but not set" if problem["type"] == "missing" else f"{name}: {reason}"
