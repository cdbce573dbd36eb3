"""The encoded events of one stream, for readers that come, fall behind, leave and come back.

Bounded: who makes the events waits for the reader that is furthest, and the oldest events go first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from api.sse_events import Block

UNREAD_BYTES = 64 * 1024
"""How far the writer may be ahead of the reader that is furthest."""
KEPT_BYTES = 256 * 1024
"""What is kept for readers that come back, about 4,000 tokens; more only while it is unread."""


class EventBuffer:
    """One writer, any number of readers; all in one event loop."""

    def __init__(self) -> None:
        self.last_id = 0
        self.has_ended = False
        self.size = 0
        self._blocks: deque[Block] = deque()
        self._written = 0
        self._read = 0
        self._news = asyncio.Event()
        self._progress = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the writer has to wait for a reader."""
        return self._written - self._read > UNREAD_BYTES

    def append(self, last_id: int, data: bytes) -> None:
        """Adds the events up to this id."""
        self._blocks.append(Block(self.last_id + 1, last_id, data))
        self.last_id = last_id
        self.size += len(data)
        self._written += len(data)
        while self.size > KEPT_BYTES and len(self._blocks) > 1:
            if self._written - self.size + len(self._blocks[0].data) > self._read:
                break
            self.size -= len(self._blocks.popleft().data)
        self._tell_readers()

    def end(self) -> None:
        """There will be no more events."""
        self.has_ended = True
        self._tell_readers()

    def forget(self) -> None:
        """Keeps none of its events, only how many there were."""
        self._blocks.clear()
        self.size = 0

    async def room(self) -> None:
        """Waits until a reader has caught up."""
        while self.is_full:
            self._progress.clear()
            await self._progress.wait()

    def has_more(self, after: int) -> bool:
        """Whether a reader that has seen the events up to this id misses some."""
        return misses_some(after, self.last_id, has_ended=self.has_ended)

    def is_kept_from(self, after: int) -> bool:
        """Whether all the events after this id are still here."""
        oldest = self._blocks[0].first if self._blocks else self.last_id + 1
        return oldest <= after + 1

    def was_read(self, up_to: int) -> None:
        """A reader has read the events up to this id; the writer may go on from there."""
        unread = 0
        for block in reversed(self._blocks):
            if block.last <= up_to:
                break
            unread += len(block.data)
        if self._written - unread > self._read:
            self._read = self._written - unread
            self._progress.set()

    async def follow(self, after: int = 0, *, paces: bool = True) -> AsyncGenerator[Block]:
        """The events after this id, those there are at once; ends with the stream.

        It also ends, early, for a reader so far behind another that its events are gone.

        Args:
            paces: whether the writer waits for this reader.
        """
        while True:
            if after < self.last_id:
                if not self.is_kept_from(after):
                    return
                block = self._since(after)
                after = block.last
                yield block
                if paces:
                    self.was_read(after)
            elif self.has_ended:
                return
            else:
                await self._news.wait()

    def _since(self, after: int) -> Block:
        newest: list[bytes] = []
        for block in reversed(self._blocks):
            if block.last <= after:
                break
            newest.append(block.after(after))
        data = newest[0] if len(newest) == 1 else b"".join(reversed(newest))
        return Block(after + 1, self.last_id, data)

    def _tell_readers(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def misses_some(after: int, last: int, *, has_ended: bool) -> bool:
    """Whether a reader that has seen the events up to `after` misses some; `last` is the last."""
    return 0 <= after <= last and (after < last or not has_ended)
