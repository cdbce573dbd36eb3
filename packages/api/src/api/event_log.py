"""The encoded events of one stream, for readers that come, fall behind, leave and come back.

Bounded: who makes the events waits for the reader that is furthest, and the oldest events go first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

UNREAD_BYTES = 64 * 1024
"""How far the writer may be ahead of the reader that is furthest."""
KEPT_BYTES = 256 * 1024
"""What is kept for readers that come back, about 4,000 tokens; more only while it is unread."""
END_OF_EVENT = b"\n\n"


@dataclass(frozen=True, slots=True)
class Block:
    """Events that came together: the ids of the first and the last, and their bytes."""

    first: int
    last: int
    data: bytes

    def after(self, event_id: int) -> bytes:
        """The bytes of the events after this one."""
        skipped = event_id - self.first + 1
        if skipped <= 0:
            return self.data
        return self.data.split(END_OF_EVENT, skipped)[-1]


class EventLog:
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

    async def room(self) -> None:
        """Waits until a reader has caught up."""
        while self.is_full:
            self._progress.clear()
            await self._progress.wait()

    def can_go_on(self, after: int) -> bool:
        """Whether a reader that has seen the events up to this id misses some, all of them kept."""
        oldest = self._blocks[0].first if self._blocks else 1
        return goes_on(after, oldest, self.last_id, has_ended=self.has_ended)

    async def follow(self, after: int = 0, *, paces: bool = True) -> AsyncGenerator[Block]:
        """The events after this id, those there are at once; ends with the stream.

        It also ends, early, for a reader so far behind another that its events are gone.

        Args:
            paces: whether the writer waits for this reader.
        """
        while True:
            if after < self.last_id:
                if self._blocks[0].first > after + 1:
                    return
                block, mark = self._since(after), self._written
                after = self.last_id
                yield block
                if paces and mark > self._read:
                    self._read = mark
                    self._progress.set()
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


def goes_on(after: int, oldest: int, last: int, *, has_ended: bool) -> bool:
    """Whether a reader that has seen the events up to `after` misses some, all of them kept.

    Args:
        oldest: the first event that is kept.
        last: the last one so far.
    """
    is_behind = after < last or not has_ended
    return 0 <= after <= last and is_behind and oldest <= after + 1
