"""The streams of all replicas, so that a reader may come back to another one than it came from.

The replica that makes a stream copies its events to a Redis stream. Any other reads them there, and
says all the while that it does, so that the first one goes on.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.call_key import CallKey
from api.errors import StreamInterrupted
from api.event_log import Block, goes_on
from api.events import EventEncoder
from api.generation import Generation
from api.generations import KEPT_SECONDS
from api.idempotency import must_be_the_same
from api.logs import log
from api.tracing import Trace

PULSE_SECONDS = 1.0
PULSE_LASTS_MS = 4000
MAX_BLOCKS = 8192
REDIS_FAILS = (RedisError, OSError)

Entries = list[tuple[bytes, dict[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class Names:
    """The keys in Redis of one stream."""

    run: str

    @property
    def events(self) -> str:
        return f"llm:events:{self.run}"

    @property
    def owner(self) -> str:
        """There while the replica that makes the stream lives."""
        return f"llm:owner:{self.run}"

    @property
    def reader(self) -> str:
        """There while a reader follows the stream from another replica."""
        return f"llm:reader:{self.run}"


def index_of(key: CallKey) -> str:
    """Where the streams of a call are found: each by its run, with the digest of its body."""
    return f"llm:streams:{key.digest}"


class RedisStreams:
    """
    Args:
        redis: shared by the replicas.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types know answers of any protocol and decoding, ours is one
        self._tasks: set[asyncio.Task[None]] = set()

    def share(self, generation: Generation) -> None:
        """Copies this stream's events until it ends; without Redis it goes on all the same."""
        task = asyncio.create_task(self._share(generation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def find(self, key: CallKey, after: int) -> Names | None:
        """The one stream of this key that goes on after this event, as in `Generations.find`.

        Raises:
            IdempotencyKeyReused: the key was given with another body.
        """
        try:
            known = await self._redis.hgetall(index_of(key))
            found = []
            for run, body in known.items():
                must_be_the_same(key.body, body.decode())
                names = Names(run.decode())
                if await self._goes_on(names, after):
                    found.append(names)
        except REDIS_FAILS as error:
            log.warning("stream_not_found", reason=type(error).__name__)
            return None
        return found[0] if len(found) == 1 else None

    async def follow(self, names: Names, after: int, trace: Trace) -> AsyncGenerator[Block]:
        """The events after this id, as `EventLog.follow` gives them."""
        position = b"0"
        try:
            while True:
                await self._redis.set(names.reader, 1, px=PULSE_LASTS_MS)
                read = await self._redis.xread({names.events: position}, count=100, block=1000)
                if not read and not await self._redis.exists(names.owner):
                    break
                entries: Entries = read[0][1] if read else []
                for entry, fields in entries:
                    position = entry
                    if b"data" not in fields:
                        return
                    block = block_of(fields)
                    if block.last > after:
                        yield Block(max(block.first, after + 1), block.last, block.after(after))
                        after = block.last
        except REDIS_FAILS as error:
            log.warning("stream_lost", reason=type(error).__name__, request_id=trace.request_id)
        else:
            log.warning("stream_lost", reason="its replica is gone", request_id=trace.request_id)
        encoder = EventEncoder()
        encoder.last_id = after
        data = encoder.error(StreamInterrupted("its replica, or Redis, is gone"), trace)
        yield Block(encoder.last_id, encoder.last_id, data)

    async def aclose(self) -> None:
        """Waits until all that has ended is known to the others too."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            task.cancel()

    async def _goes_on(self, names: Names, after: int) -> bool:
        first: Entries = await self._redis.xrange(names.events, count=1)
        last: Entries = await self._redis.xrevrange(names.events, count=2)
        blocks = [block_of(fields) for _, fields in (*first, *last) if b"data" in fields]
        if not blocks:
            return False
        has_ended = b"data" not in last[0][1]
        last_id = max(block.last for block in blocks)
        return goes_on(after, blocks[0].first, last_id, has_ended=has_ended)

    async def _share(self, generation: Generation) -> None:
        names, index = Names(secrets.token_hex(8)), index_of(generation.key)
        pulse = asyncio.create_task(self._pulse(generation, names, index))
        try:
            await self._redis.set(names.owner, 1, px=PULSE_LASTS_MS)
            await self._redis.hset(index, names.run, generation.key.body)
            async with aclosing(generation.log.follow(paces=False)) as blocks:
                async for block in blocks:
                    fields: dict[Any, Any] = {"first": block.first, "last": block.last}
                    fields["data"] = block.data
                    await self._redis.xadd(names.events, fields, maxlen=MAX_BLOCKS)
            await self._redis.xadd(names.events, {"end": 1})
            await self._keep(names, index)
        except REDIS_FAILS as error:
            log.warning("stream_not_shared", reason=type(error).__name__)
        finally:
            pulse.cancel()

    async def _pulse(self, generation: Generation, names: Names, index: str) -> None:
        with ExitStack() as read_elsewhere:
            while True:
                try:
                    await self._redis.set(names.owner, 1, px=PULSE_LASTS_MS)
                    await self._keep(names, index)
                    is_read = bool(await self._redis.exists(names.reader))
                except REDIS_FAILS:
                    is_read = False
                read_elsewhere.close()
                if is_read:
                    read_elsewhere.enter_context(generation.read())
                await asyncio.sleep(PULSE_SECONDS)

    async def _keep(self, names: Names, index: str) -> None:
        for name in (names.events, index):
            await self._redis.expire(name, KEPT_SECONDS)


def block_of(fields: dict[bytes, bytes]) -> Block:
    return Block(int(fields[b"first"]), int(fields[b"last"]), fields[b"data"])
