"""Which agent calls: told by a token of the realm or by its key or, for local work, not told."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import Headers

from chassis.errors import Unauthenticated
from chassis.identity.access_tokens import AccessTokens
from chassis.identity.keycloak import bearer_token
from runtime_mcp import strict_yaml
from runtime_mcp.upstreams.config import sentences

NAME = r"^[A-Za-z0-9_.:@-]{1,128}$"


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody that calls tools.

    Attributes:
        name: a subject of the realm, or a name of the keys' file.
        organisation: whose record its calls are in.
        kind: the platform's `actor_type`.
    """

    name: str
    organisation: str
    kind: Literal["user", "service"] = "service"


class Agents(Protocol):
    """How it is found out which agent calls."""

    async def agent(self, headers: Headers) -> Agent:
        """Who sent these headers.

        Raises:
            Unauthenticated: they do not prove it.
            IdentityUnavailable: nobody can tell now.
        """
        ...

    async def is_ready(self) -> bool:
        """Whether agents can be told."""
        ...


class LocalAgent:
    """`AUTH_MODE=disabled`: everybody is this one."""

    def __init__(self, name: str) -> None:
        self._agent = Agent(name, "local")

    async def agent(self, _: Headers) -> Agent:
        """See `Agents.agent`."""
        return self._agent

    async def is_ready(self) -> bool:
        """See `Agents.is_ready`."""
        return True


class AgentsOfRealm:
    """`AUTH_MODE=keycloak`: the subject of an access token, verified as the API does it."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def agent(self, headers: Headers) -> Agent:
        """See `Agents.agent`."""
        caller = await self._tokens.caller(bearer_token(headers.getlist("Authorization")))
        return Agent(caller.subject, caller.organisation)

    async def is_ready(self) -> bool:
        """See `Agents.is_ready`."""
        return await self._tokens.can_be_read()


class AgentKey(BaseModel):
    """
    Attributes:
        sha256: of the key, in hex; two entries of one name hold while a key is changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    organisation: str = Field(pattern=NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class AgentKeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    agents: list[AgentKey]


class AgentKeys:
    """`AUTH_MODE=keys`: a bearer key for each agent, of which the file has the hash alone.

    Args:
        file: the one that holds now; a key that is not in it is nobody's from then on.
    """

    def __init__(self, file: Callable[[], AgentKeysFile]) -> None:
        self._file = file

    async def agent(self, headers: Headers) -> Agent:
        """See `Agents.agent`."""
        key = bearer_token(headers.getlist("Authorization"))
        given = hashlib.sha256(key.encode()).hexdigest()
        found = [each for each in self._file().agents if hmac.compare_digest(each.sha256, given)]
        if not found:
            raise Unauthenticated("the key is no agent's")
        return Agent(found[0].name, found[0].organisation)

    async def is_ready(self) -> bool:
        """See `Agents.is_ready`."""
        return True


def parse_keys(text: str) -> AgentKeysFile:
    """The keys of this YAML document.

    Raises:
        ValueError: it is none; says where, in one line.
        yaml.YAMLError: it is no YAML.
    """
    try:
        return AgentKeysFile.model_validate(strict_yaml.load(text))
    except ValidationError as error:
        raise ValueError("; ".join(sentences(error))) from None
