"""Tickets for an `EventSource`, which cannot send a token: one stream each, and soon over.

What a ticket was given for is kept here, so that its address holds no prompt, no project and no
name; of the ticket itself only a digest is kept.
"""

import secrets
from typing import Protocol

import msgspec
from cachetools import TTLCache

from api.call_key import digest_of
from api.schemas import CompletionRequest
from chassis.errors import Overloaded
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

LIFETIME_SECONDS = 30
KEPT_BYTES = 32 * 1024 * 1024
BYTES_OF_A_CALLER = 8 * 1024 * 1024
"""In one lifetime of a ticket, so that nobody takes the tickets of all others."""
CALLERS = 10_000


class Grant(msgspec.Struct, frozen=True):
    """The one stream that a ticket is good for."""

    caller: Caller
    project_id: str
    body_json: str
    last_event_id: int | None
    idempotency_key: str | None = None

    @property
    def project(self) -> ProjectId:
        return ProjectId(self.project_id)

    @property
    def body(self) -> CompletionRequest:
        return CompletionRequest.model_validate_json(self.body_json)


class Tickets(Protocol):
    """The tickets that were given and not used yet."""

    async def issue(self, grant: Grant) -> str:
        """A new ticket.

        Raises:
            Overloaded: too much is kept for tickets already, or for this caller's.
            StateUnavailable: it cannot be kept where all replicas find it.
        """
        ...

    async def redeem(self, ticket: str) -> Grant | None:
        """What it was given for, the first time and within its life; else None.

        Raises:
            StateUnavailable: nobody can tell now.
        """
        ...


class TicketsInMemory:
    """Those of one process.

    Args:
        lifetime: seconds.
    """

    def __init__(self, lifetime: float = LIFETIME_SECONDS) -> None:
        self._grants: TTLCache[str, bytes] = TTLCache(KEPT_BYTES, lifetime, getsizeof=len)
        self._taken: TTLCache[str, list[int]] = TTLCache(CALLERS, lifetime)

    async def issue(self, grant: Grant) -> str:
        """See `Tickets.issue`."""
        data = msgspec.json.encode(grant)
        self._grants.expire()
        if self._grants.currsize + len(data) > KEPT_BYTES:
            raise Overloaded("too much is kept for tickets")
        # 1. A list, for what is changed in place keeps the end of its time.
        taken = self._taken.setdefault(grant.caller.key, [0])
        must_be_a_share(taken[0] + len(data))
        taken[0] += len(data)
        ticket = secrets.token_urlsafe(32)
        self._grants[digest_of(ticket)] = data
        return ticket

    async def redeem(self, ticket: str) -> Grant | None:
        """See `Tickets.redeem`."""
        data = self._grants.pop(digest_of(ticket), None)
        return None if data is None else msgspec.json.decode(data, type=Grant)


def must_be_a_share(taken: int) -> None:
    """
    Args:
        taken: bytes, by one caller.

    Raises:
        Overloaded: it is too much for one.
    """
    if taken > BYTES_OF_A_CALLER:
        raise Overloaded("one caller asks for too many tickets")
