"""An agent: a caller of tools, as the allowlist and the audit events name it."""

from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers

from chassis.identity.callers import Caller, NoAuth


@dataclass(frozen=True, slots=True)
class Agent:
    """
    Attributes:
        name: a subject of the realm, or a name in the keys file.
        organisation: whose audit events its calls are.
        kind: the platform's `actor_type`.
        project: on whose account it calls; None where the request has no X-Project-ID.
    """

    name: str
    organisation: str
    kind: Literal["user", "service"] = "service"
    project: str | None = None


class LocalAgent(NoAuth):
    """`AUTH_MODE=disabled`: everybody is this agent."""

    def __init__(self, name: str) -> None:
        self._caller = Caller(name, "local")

    async def caller(self, _: Headers) -> Caller:
        """See `Identity.caller`."""
        return self._caller
