"""The streams of this process that a reader may come back to: those that run, and ended ones.

A reader says what it has seen (`Last-Event-ID`); which stream it was, the call's key says. Where
more than one could be meant, none is: to go on with the wrong one would be silently wrong.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack

from cachetools import TTLCache

from api.admission import Admission
from api.call_key import CallKey
from api.errors import AccessError
from api.generation import Generation
from api.idempotency import must_be_the_same
from api.llm import StreamEvent
from api.tracing import Trace

KEPT_SECONDS = 120
KEPT_BYTES = 32 * 1024 * 1024
KEPT_OF_A_KEY = 2

Ended = tuple[Generation, ...]


class Generations:
    """
    Args:
        admission: each stream that runs takes a place.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._running: dict[CallKey, list[Generation]] = {}
        self._ended: TTLCache[CallKey, Ended] = TTLCache(
            KEPT_BYTES, KEPT_SECONDS, getsizeof=lambda ended: sum(one.log.size for one in ended)
        )

    def start(self, key: CallKey, events: AsyncGenerator[StreamEvent], trace: Trace) -> Generation:
        """A new stream.

        Raises:
            Draining, Overloaded: there is no place for it.
        """
        with ExitStack() as place:
            place.enter_context(self._admission.admitted())
            generation = Generation(key, events, trace, place.pop_all())
        self._running.setdefault(key, []).append(generation)
        generation.task.add_done_callback(lambda _: self._keep(key, generation))
        return generation

    def find(self, key: CallKey, after: int) -> Generation | None:
        """The one stream of this key that goes on after this event; from 0, one that did not fail.

        Raises:
            IdempotencyKeyReused: the key was given with another body.
        """
        known = list(self._of(key))
        for one in known:
            must_be_the_same(key.body, one.key.body)
        found = [one for one in known if one.log.can_go_on(after) and (after or not one.error)]
        return found[0] if len(found) == 1 else None

    def stop(self, why: AccessError) -> None:
        """Stops all that run; this is what their readers are told."""
        for generation in [one for running in self._running.values() for one in running]:
            generation.stop(why)

    async def aclose(self) -> None:
        """Stops all that run, and waits until they are over."""
        tasks = [one.task for running in self._running.values() for one in running]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _of(self, key: CallKey) -> Iterator[Generation]:
        yield from self._running.get(key, ())
        yield from self._ended.get(key, ())

    def _keep(self, key: CallKey, generation: Generation) -> None:
        running = self._running[key]
        running.remove(generation)
        if not running:
            del self._running[key]
        if generation.has_begun or generation.was_sent:
            self._ended[key] = (*self._ended.get(key, ()), generation)[-KEPT_OF_A_KEY:]
