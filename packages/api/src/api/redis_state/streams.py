"""The streams of all replicas, so that a reader may come back to another one than it came from.

The replica that makes a stream copies its events to a Redis stream. Any other reads them there, and
says all the while how far it is, so that the first one goes on.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.call_key import CallKey
from api.errors import StreamInterrupted
from api.resumable.event_buffer import misses_some
from api.resumable.live_stream import LiveStream, broken_off
from api.resumable.registry import KEPT_SECONDS, RemoteStream
from api.sse_events import Block
from chassis.errors import Draining, ServiceError
from chassis.logs import log
from chassis.trace_context import Trace

PULSE_SECONDS = 1.0
READ_PULSE_SECONDS = 0.2
"""Between two looks at how far a reader on another replica is, for whom the writer waits."""
PULSE_LASTS_MS = 4000
POLL_SECONDS = 0.1
FIND_SECONDS = 2.0
"""A reader that comes back is not held up longer by a Redis that is slow."""
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
        """There while a reader follows the stream from another replica: the event it has read."""
        return f"llm:reader:{self.run}"


def index_of(key: CallKey) -> str:
    """Where the streams of a call are found: each by its run and the digest of its body."""
    return f"llm:streams:{key.digest}"


class RedisStreams:
    """
    Args:
        redis: shared by the replicas.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types know answers of any protocol and decoding, ours is one
        self._tasks: set[asyncio.Task[None]] = set()

    def share(self, stream: LiveStream) -> None:
        """Copies this stream's events until it ends; without Redis it goes on all the same."""
        task = asyncio.create_task(self._share(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def find(self, key: CallKey, after: int) -> list[RemoteStream]:
        """Those of this key that a reader who has seen this event may mean; from 0, none that
        failed. None at all while Redis is away, or slow.

        Raises:
            IdempotencyKeyReused: the key was given with another body.
        """
        try:
            async with asyncio.timeout(FIND_SECONDS):
                members = await self._redis.zrange(index_of(key), 0, -1)
                found = [await self._elsewhere(key, member.decode(), after) for member in members]
                return [one for one in found if one is not None]
        except REDIS_FAILS as error:
            log.warning("stream_not_found", reason=type(error).__name__)
            return []

    async def follow(
        self, run: str, after: int, trace: Trace, ends: "asyncio.Future[None]"
    ) -> AsyncGenerator[Block]:
        """The events after this id, as `EventLog.follow` gives them; ends with a terminal event."""
        names, position = Names(run), b"0"
        why: ServiceError
        try:
            while not ends.done():
                await self._redis.set(names.reader, after, px=PULSE_LASTS_MS)
                read = await self._redis.xread({names.events: position}, count=100)
                entries: Entries = read[0][1] if read else []
                for entry, fields in entries:
                    position = entry
                    if b"data" not in fields:
                        return
                    block = block_of(fields)
                    if block.first > after + 1:
                        raise StreamInterrupted("Redis has lost some of its events")
                    if block.last > after:
                        yield Block(after + 1, block.last, block.after(after))
                        after = block.last
                if not entries:
                    if not await self._redis.exists(names.owner):
                        raise StreamInterrupted("its replica is gone")
                    await asyncio.sleep(POLL_SECONDS)
            why = Draining()
        except REDIS_FAILS as error:
            why = StreamInterrupted(f"Redis: {type(error).__name__}")
        except StreamInterrupted as error:
            why = error
        log.warning("stream_lost", reason=why.reason or why.code, request_id=trace.request_id)
        yield broken_off(after, why, trace)

    async def aclose(self) -> None:
        """Waits until all that has ended is known to the others too."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            task.cancel()

    async def _elsewhere(self, key: CallKey, member: str, after: int) -> RemoteStream | None:
        run, _, body = member.partition(" ")
        key.must_have_body(body)
        events = Names(run).events
        first: Entries = await self._redis.xrange(events, count=1)
        last: Entries = await self._redis.xrevrange(events, count=2)
        blocks = [block_of(fields) for _, fields in (*first, *last) if b"data" in fields]
        if not blocks:
            return None
        ending = last[0][1]
        if after == 0 and ending.get(b"failed") == b"1":
            return None
        last_id = max(block.last for block in blocks)
        if not misses_some(after, last_id, has_ended=b"data" not in ending):
            return None
        return RemoteStream(run, blocks[0].first)

    async def _share(self, stream: LiveStream) -> None:
        names, last = Names(stream.run), 0
        pulse = asyncio.create_task(self._pulse(stream, names))
        try:
            await self._announce(stream, names)
            async with aclosing(stream.log.follow(paces=False)) as blocks:
                async for block in blocks:
                    data = {"first": block.first, "last": block.last, "data": block.data}
                    await self._add(names, data)
                    last = block.last
            if last == stream.log.last_id:
                await self._add(names, {"end": 1, "failed": int(stream.has_failed)})
                await self._announce(stream, names)
            else:
                log.warning("stream_not_shared", reason="Redis takes it too slowly")
        except REDIS_FAILS as error:
            log.warning("stream_not_shared", reason=type(error).__name__)
        finally:
            pulse.cancel()

    async def _pulse(self, stream: LiveStream, names: Names) -> None:
        with ExitStack() as read_elsewhere:
            while True:
                read_up_to = None
                try:
                    await self._announce(stream, names)
                    read_up_to = await self._redis.get(names.reader)
                except REDIS_FAILS:
                    pass
                read_elsewhere.close()
                if read_up_to is None:
                    await asyncio.sleep(PULSE_SECONDS)
                    continue
                read_elsewhere.enter_context(stream.read())
                stream.log.was_read(int(read_up_to))
                await asyncio.sleep(READ_PULSE_SECONDS)

    async def _add(self, names: Names, fields: dict[str, Any]) -> None:
        async with self._redis.pipeline(transaction=False) as commands:
            commands.xadd(names.events, fields, maxlen=MAX_BLOCKS)
            commands.expire(names.events, KEPT_SECONDS)
            await commands.execute()

    async def _announce(self, stream: LiveStream, names: Names) -> None:
        """Says that it is there for a while; forgets those of its key that are not any more."""
        index, now = index_of(stream.key), time.time()
        async with self._redis.pipeline(transaction=False) as commands:
            commands.set(names.owner, 1, px=PULSE_LASTS_MS)
            commands.zadd(index, {f"{names.run} {stream.key.body}": now + KEPT_SECONDS})
            commands.zremrangebyscore(index, "-inf", now)
            commands.expire(index, KEPT_SECONDS)
            commands.expire(names.events, KEPT_SECONDS)
            await commands.execute()


def block_of(fields: dict[bytes, bytes]) -> Block:
    return Block(int(fields[b"first"]), int(fields[b"last"]), fields[b"data"])
