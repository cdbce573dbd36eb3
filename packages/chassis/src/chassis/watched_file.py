"""A file that is read again when it changes. A bad one never takes the place of a good one."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import yaml

from chassis.logs import log

T = TypeVar("T")
LOOK_SECONDS = 1.0


class WatchedFile(Generic[T]):
    """
    Args:
        parse: raises ValueError or yaml.YAMLError for what makes no sense.
        look: seconds from one look at the file to the next.
    """

    def __init__(
        self, path: Path, parse: Callable[[str], T], *, look: float = LOOK_SECONDS
    ) -> None:
        self._path = path
        self._parse = parse
        self._look = look
        self._text = path.read_text()
        self._now = parse(self._text)
        self._is_good = True
        self.is_taken = True
        """Whether `now` is what the file says now."""
        self._takes: Callable[[T], None] | None = None

    @property
    def now(self) -> T:
        """What the last good file says."""
        return self._now

    def tell(self, takes: Callable[[T], None]) -> None:
        """Calls this with each good file that takes the place of another."""
        self._takes = takes

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._look)
            try:
                text = self._path.read_text()
                if text == self._text:
                    self.is_taken = self._is_good
                    continue
                self._text, self._is_good = text, False
                self._now = self._parse(text)
            except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
                self.is_taken = False
                log.error("file_not_taken", path=str(self._path), reason=str(error))
            else:
                self._is_good = self.is_taken = True
                log.info("file_taken", path=str(self._path))
                if self._takes is not None:
                    self._takes(self._now)
