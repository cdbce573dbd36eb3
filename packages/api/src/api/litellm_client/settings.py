"""The variables of the chat client over litellm."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator

from chassis.settings import ServiceSettings


def with_litellm(value: str | bool) -> str | bool:
    if value in ("litellm", True) and find_spec("litellm") is None:
        raise ValueError("litellm is not installed; install the extra `litellm`")
    return value


class LitellmSettings(ServiceSettings):
    """Which chat client is used, and whether local models go round the gateway."""

    llm_client: Annotated[Literal["wire", "litellm"], AfterValidator(with_litellm)] = "wire"
    llm_allow_local_models: Annotated[bool, AfterValidator(with_litellm)] = False

    @property
    def needs_litellm(self) -> bool:
        """Whether calls go out through litellm."""
        return self.llm_client == "litellm" or self.llm_allow_local_models
