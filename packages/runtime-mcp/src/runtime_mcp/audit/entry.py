"""An event on its way into the record, and who waits for it."""

import asyncio
from dataclasses import dataclass

from runtime_mcp.audit.events import AuditUnavailable
from runtime_mcp.audit.rows import Row


@dataclass(eq=False, slots=True)
class Entry:
    """
    Attributes:
        is_owed: it is written whenever that will be possible, for the call was made.
        is_taken: it does not wait any more.
    """

    row: Row
    done: "asyncio.Future[None]"
    is_owed: bool
    is_taken: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be written: who gave up was told that nothing was recorded."""
        return not self.done.done()

    @property
    def is_committed(self) -> bool:
        """Whether it is known to be in the record."""
        return self.done.done() and not self.done.cancelled() and self.done.exception() is None

    def fail(self, error: Exception) -> None:
        """Tells its caller that it will never be in the record."""
        if not self.done.done():
            self.done.set_exception(AuditUnavailable(type(error).__name__))
            self.done.exception()

    def forget(self) -> None:
        """What will not be written takes no memory while it waits."""
        if not self.is_wanted and not self.is_taken:
            self.row = {}
