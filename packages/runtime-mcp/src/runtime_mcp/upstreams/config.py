"""Which upstream servers there are, from one YAML file, and what each of them may take."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from chassis.setting_values import HEADER_NAME, http_url
from chassis.watched_file import parse_yaml
from runtime_mcp.upstreams.secrets import Secrets

ServerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\z")]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,96}\z")]
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,96}")
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\z")]

NOT_THE_OPERATORS = re.compile(
    r"x-project-id|traceparent|tracestate|mcp-.*|host|connection|transfer-encoding|te|upgrade|"
    r"content-.*|accept|accept-encoding|last-event-id",
    re.IGNORECASE,
)
"""The caller's, or the protocol's: one of them in the file would stand in their place."""


def header_name(value: str) -> str:
    if not HEADER_NAME.fullmatch(value):
        raise ValueError("is no name of a header")
    if NOT_THE_OPERATORS.fullmatch(value):
        raise ValueError("is the caller's or the protocol's, and cannot be set here")
    return value.lower()


def one_line(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be one line of ASCII")
    return value


def without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must have no NUL")
    return value


Argument = Annotated[str, AfterValidator(without_nul)]


class _Server(BaseModel):
    """
    Attributes:
        timeout_seconds: for one call, with its connection.
        max_result_bytes: of one answer, as it comes, and of the list of its tools.
        max_concurrent: calls under way at a time; the next is refused.
        pins: tool to fingerprint; a tool that has another one is not offered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    timeout_seconds: float = Field(30, gt=0, le=600)
    max_result_bytes: int = Field(1024 * 1024, ge=1024)
    max_concurrent: int = Field(50, ge=1)
    pins: dict[ToolName, Fingerprint] = {}


class HttpServerConfig(_Server):
    """
    Attributes:
        headers: of the gateway's own, with `${VARIABLE}` and `${file:/path}`.
        forward_identity: whether the caller's Authorization and X-Project-ID go on.
        allow_link_local: whether it may be where clouds keep their machines' credentials.
    """

    url: Annotated[str, AfterValidator(http_url)]
    headers: dict[
        Annotated[str, AfterValidator(header_name)], Annotated[str, AfterValidator(one_line)]
    ] = {}
    forward_identity: bool = True
    allow_link_local: bool = False


class StdioServerConfig(_Server):
    """
    Attributes:
        env: all that the process gets, but for a few names that hold no secret; with `${VARIABLE}`
            and `${file:/path}`.
        forward_identity: whether who calls goes on, in a call's `_meta`.
        start_timeout_seconds: until it is initialised.
    """

    command: Annotated[str, Field(min_length=1), AfterValidator(without_nul)]
    args: list[Argument] = []
    env: dict[VariableName, Argument] = {}
    cwd: Path | None = None
    forward_identity: bool = False
    start_timeout_seconds: float = Field(60, gt=0, le=600)


def kind_of(value: Any) -> str:
    if isinstance(value, StdioServerConfig) or (isinstance(value, Mapping) and "command" in value):
        return "stdio"
    return "http"


ServerConfig = Annotated[
    Annotated[HttpServerConfig, Tag("http")] | Annotated[StdioServerConfig, Tag("stdio")],
    Discriminator(kind_of),
]


class UpstreamsConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    servers: dict[ServerName, ServerConfig]


def parse(text: str, environment: Mapping[str, str]) -> UpstreamsConfig:
    """The servers of this YAML document.

    Args:
        environment: where the variables are that it names.

    Raises:
        ValueError: it is none, or names a variable that is not there; says where, in one line.
    """
    config = parse_yaml(text, UpstreamsConfig)
    secrets = Secrets(environment)
    for name, server in config.servers.items():
        for where, value in values_of(server):
            try:
                secrets.check(value)
            except ValueError as error:
                raise ValueError(f"servers.{name}.{where}: {error}") from None
    return config


def values_of(server: HttpServerConfig | StdioServerConfig) -> Iterator[tuple[str, str]]:
    """Where the values stand that may refer to something else, and the values."""
    kind, values = (
        ("headers", server.headers) if isinstance(server, HttpServerConfig) else ("env", server.env)
    )
    for name, value in values.items():
        yield f"{kind}.{name}", value
