"""Which upstream servers there are, from one YAML file, and what each of them may take."""

from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.setting_values import http_url

ServerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class ServerConfig(BaseModel):
    """
    Attributes:
        timeout_seconds: for one call, with its connection.
        max_result_bytes: of one answer, as it comes over the network.
        max_concurrent: calls under way at a time; the next is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(http_url)]
    timeout_seconds: float = Field(30, gt=0, le=600)
    max_result_bytes: int = Field(1024 * 1024, ge=1024)
    max_concurrent: int = Field(50, ge=1)


class UpstreamsConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: dict[ServerName, ServerConfig]


def parse(text: str) -> UpstreamsConfig:
    """The servers of this YAML document.

    Raises:
        ValueError: it is none; says where.
        yaml.YAMLError: it is no YAML.
    """
    return UpstreamsConfig.model_validate(yaml.safe_load(text))
