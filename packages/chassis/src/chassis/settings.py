"""What keeps a process from starting: a line for each mistake in its environment, exit code 2."""

import sys
from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

SENSELESS_ENVIRONMENT = 2

S = TypeVar("S", bound=BaseSettings)


class ServiceSettings(BaseSettings):
    """Settings from the environment. A concern's own are a class of these, a service's the sum."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, validate_default=True, hide_input_in_errors=True
    )


class SettingsError(Exception):
    """The environment does not make sense; `lines` has one sentence for each variable."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def load(kind: type[S]) -> S:
    """The settings of this process's environment.

    Raises:
        SettingsError: a variable is missing or senseless; one line for each of them.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError([line(problem) for problem in error.errors()]) from None


def line(problem: ErrorDetails) -> str:
    name = str(problem["loc"][0]).upper()
    reason = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        reason = "required but not set"
    return reason if reason.startswith("LLM_GATEWAY_API_KEY:") else f"{name}: {reason}"


def refuse_to_start(program: str, lines: Sequence[str]) -> int:
    """Says these lines; returns the exit code."""
    for each in lines:
        say(program, each)
    return SENSELESS_ENVIRONMENT


def say(program: str, text: str) -> None:
    """To the person who starts the process, whatever the log's level."""
    sys.stderr.write(f"{program}: {text}\n")
