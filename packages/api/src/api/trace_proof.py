"""The seam between the self-test and whoever can read the trace of a call back."""

from collections.abc import Collection
from typing import Protocol


class TraceUnknown(Exception):
    """Nobody can say; the message says why, and is fit for a caller."""


class TraceProof(Protocol):
    """Reads traces back."""

    async def projects(self, trace_id: str) -> list[Collection[str]]:
        """For each generation of this trace, the projects that it is booked on; at least one.

        Raises:
            TraceUnknown: none has arrived in time, or nobody can be asked.
        """
        ...

    async def url(self, trace_id: str) -> str:
        """Where a person looks at this trace.

        Raises:
            TraceUnknown: it is not known.
        """
        ...
