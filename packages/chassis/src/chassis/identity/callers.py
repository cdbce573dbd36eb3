"""Who calls: told by the bearer token of a realm or, for local work, not told at all."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.datastructures import Headers

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody that a token names.

    Attributes:
        subject: the user's id, the same in every token.
        organisation: to which the token was given.
    """

    subject: str
    organisation: str

    @property
    def user_id(self) -> str | None:
        """What a trace calls its user; None where nobody is told from another."""
        return None if self == ANONYMOUS else self.subject

    @property
    def key(self) -> str:
        """What tells this caller from all others."""
        return f"{self.organisation}/{self.subject}"


ANONYMOUS = Caller("anybody", "")
"""With `AUTH_MODE=disabled` nobody is told from another."""


class Identity(Protocol):
    """How it is found out who calls."""

    async def caller(self, headers: Headers) -> Caller:
        """Who sent these headers.

        Raises:
            Unauthenticated: they do not prove it.
            IdentityUnavailable: nobody can tell now.
        """
        ...

    async def is_ready(self) -> bool:
        """Whether callers can be told."""
        ...

    @property
    def keys_age(self) -> float | None:
        """Seconds since the realm's keys were read; None where callers are told without."""
        ...


class NoAuth:
    """`AUTH_MODE=disabled`."""

    async def caller(self, _: Headers) -> Caller:
        """See `Identity.caller`."""
        return ANONYMOUS

    async def is_ready(self) -> bool:
        """See `Identity.is_ready`."""
        return True

    @property
    def keys_age(self) -> None:
        """See `Identity.keys_age`."""
        return None
