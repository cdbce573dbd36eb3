"""The variables of the service helper: which models answer, and for how long."""

from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from chassis.setting_values import split
from chassis.settings import ServiceSettings

GEMINI_THINKING = (
    "gemini-3.5-flash",
    "gemini-3.1-pro-preview",
    "gemini-3.1-pro-preview-customtools",
)
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


def model_name(value: str) -> str:
    if not value.removeprefix("openai/").strip():
        raise ValueError("names no model")
    return value


def general_models(value: tuple[str, ...]) -> tuple[str, ...]:
    for model in map(model_name, value):
        if model.endswith("-customtools"):
            raise ValueError(f"{model} is made for tool-heavy agents and must not be a fallback")
    return value


class LlmSettings(ServiceSettings):
    """The default model and its fallbacks, the floor of thinking models, the deadline."""

    llm_default_model: Annotated[str, AfterValidator(model_name)] = "openai/gemini-3.5-flash"
    llm_fallback_models: Annotated[Names, AfterValidator(general_models)] = (
        "openai/claude-opus-4-8",
        "openai/gemini-3.1-pro-preview",
    )
    llm_thinking_models: Names = GEMINI_THINKING
    llm_min_tokens_thinking: int = Field(200, ge=1)
    llm_repair_empty_answers: bool = True
    llm_timeout_seconds: float = Field(120, gt=0, allow_inf_nan=False)

    @cached_property
    def thinking_aliases(self) -> frozenset[str]:
        """The thinking models as the gateway names them, without the `openai/` prefix."""
        return frozenset(name.removeprefix("openai/") for name in self.llm_thinking_models)
