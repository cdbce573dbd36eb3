"""Identity by an API key, of which a file that is followed has the hash alone."""

import hashlib
import hmac
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers

from chassis.errors import Unauthenticated
from chassis.identity.callers import Caller, NoAuth
from chassis.identity.keycloak import bearer_token
from chassis.watched_file import parse_yaml

NAME = r"^[A-Za-z0-9_.:@-]{1,128}$"


class ApiKey(BaseModel):
    """
    Attributes:
        sha256: of the key, in hex; two entries of one name hold while a key is changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    organisation: str = Field(pattern=NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ApiKeys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    agents: list[ApiKey]


class ApiKeyIdentity(NoAuth):
    """`AUTH_MODE=keys`: a bearer key for each caller.

    Args:
        keys: those that hold now; one that is not among them is nobody's from then on.
    """

    def __init__(self, keys: Callable[[], ApiKeys]) -> None:
        self._keys = keys

    async def caller(self, headers: Headers) -> Caller:
        """See `Identity.caller`."""
        key = bearer_token(headers.getlist("Authorization"))
        given = hashlib.sha256(key.encode()).hexdigest()
        found = [each for each in self._keys().agents if hmac.compare_digest(each.sha256, given)]
        if not found:
            raise Unauthenticated("the key is no agent's")
        return Caller(found[0].name, found[0].organisation)


def parse_keys(text: str) -> ApiKeys:
    """The keys of this YAML document.

    Raises:
        ValueError: it is none; says where, in one line.
    """
    return parse_yaml(text, ApiKeys)
