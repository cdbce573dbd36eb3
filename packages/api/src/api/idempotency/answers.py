"""`Idempotency-Key`: the same call is made, and paid for, once; whoever asks again gets its answer.

A failure is not kept: those who wait for it are told, and who asks later makes the call anew.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from cachetools import TTLCache

from api.call_key import CallKey

KEPT_SECONDS = 600
KEPT_BYTES = 32 * 1024 * 1024
CLOSE_SECONDS = 1.0

Work = Callable[[], Coroutine[Any, Any, bytes]]


class Answers(Protocol):
    """The answers to calls that have a name."""

    async def give(self, key: CallKey, work: Work) -> tuple[bytes, bool]:
        """The answer to this call, and whether somebody else had asked for it before.

        Args:
            work: makes the call. Once begun it is done to its end, whoever still waits for it.

        Raises:
            IdempotencyKeyReused: the call of this name has another body.
            AccessError: the call failed.
        """
        ...

    def stop(self) -> None:
        """Ends what still runs."""
        ...

    async def aclose(self) -> None:
        """Ends what still runs, and waits for a moment until it is over."""
        ...


class AnswersInMemory:
    """Those of one process."""

    def __init__(self) -> None:
        self._running: dict[CallKey, tuple[str, asyncio.Task[bytes]]] = {}
        self._done: TTLCache[CallKey, tuple[str, bytes]] = TTLCache(
            KEPT_BYTES, KEPT_SECONDS, getsizeof=lambda kept: len(kept[1])
        )

    async def give(self, key: CallKey, work: Work) -> tuple[bytes, bool]:
        """See `Answers.give`."""
        if kept := self._done.get(key):
            key.must_have_body(kept[0])
            return kept[1], True
        running = self._running.get(key)
        if running is not None:
            key.must_have_body(running[0])
            return await asyncio.shield(running[1]), True
        task = asyncio.create_task(work())
        self._running[key] = key.body, task
        task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task), False

    def stop(self) -> None:
        """See `Answers.stop`."""
        for _, task in self._running.values():
            task.cancel()

    async def aclose(self) -> None:
        """See `Answers.aclose`."""
        self.stop()
        if tasks := [task for _, task in self._running.values()]:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    def _keep(self, key: CallKey, task: "asyncio.Task[bytes]") -> None:
        del self._running[key]
        if not task.cancelled() and task.exception() is None and len(task.result()) < KEPT_BYTES:
            self._done[key] = key.body, task.result()
