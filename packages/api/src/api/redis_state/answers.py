"""`Idempotency-Key` where there are several replicas: one makes the call, all know of it.

The one that makes it holds a lease; when it dies the lease runs out and another may begin.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.call_key import CallKey
from api.idempotency.answers import KEPT_SECONDS, AnswersInMemory, Work
from api.redis_state.failures import or_unavailable
from chassis.errors import InternalError, ServiceError
from chassis.logs import log

LEASE_SECONDS = 6.0
POLL_SECONDS = 0.1
FAILURE_SECONDS = 30


class Record(msgspec.Struct):
    """What Redis knows of one call; `answer` is None while it is being made."""

    body: str
    run: str
    answer: bytes | None = None


class Failed(msgspec.Struct):
    code: str
    retry_after: float | None
    attempts: list[dict[str, Any]]

    def error(self) -> ServiceError:
        """The failure as it was on the replica that made the call."""
        kind = next((kind for kind in kinds() if kind.code == self.code), InternalError)
        error = kind("as told by another replica", retry_after=self.retry_after)
        if self.attempts:
            error.extra["attempts"] = self.attempts
        return error


class AnswersInRedis:
    """See `Answers`.

    Args:
        redis: shared by the replicas.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._here = AnswersInMemory()

    async def give(self, key: CallKey, work: Work) -> tuple[bytes, bool]:
        """See `Answers.give`.

        Raises:
            StateUnavailable: Redis cannot be asked, so nobody knows whether the call was made.
        """
        was_made_elsewhere = False

        async def from_all() -> bytes:
            nonlocal was_made_elsewhere
            answer, was_made_elsewhere = await self._among_all(key, work)
            return answer

        answer, was_made_before = await self._here.give(key, from_all)
        return answer, was_made_before or was_made_elsewhere

    def stop(self) -> None:
        """See `Answers.stop`."""
        self._here.stop()

    async def aclose(self) -> None:
        """See `Answers.aclose`."""
        await self._here.aclose()

    async def _among_all(self, key: CallKey, work: Work) -> tuple[bytes, bool]:
        name = f"llm:answer:{key.digest}"
        while True:
            mine = Record(key.body, secrets.token_hex(8))
            async with or_unavailable():
                lease = int(LEASE_SECONDS * 1000)
                if await self._redis.set(name, msgspec.msgpack.encode(mine), nx=True, px=lease):
                    break
                theirs = await self._known(name)
            if theirs is None:
                continue
            key.must_have_body(theirs.body)
            if theirs.answer is not None:
                return theirs.answer, True
            await self._wait_for(name, theirs.run)
        return await self._make(name, mine, work), False

    async def _make(self, name: str, mine: Record, work: Work) -> bytes:
        renewal = asyncio.create_task(self._renew(name, mine))
        try:
            answer = await work()
        except ServiceError as error:
            await self._tell_failure(name, mine.run, error)
            raise
        except BaseException:
            with suppress(RedisError):
                await self._leave(name, mine.run)
            raise
        finally:
            renewal.cancel()
        mine.answer = answer
        try:
            await self._redis.set(name, msgspec.msgpack.encode(mine), ex=KEPT_SECONDS)
        except RedisError as error:
            log.warning("answer_not_kept", reason=type(error).__name__)
        return answer

    async def _renew(self, name: str, mine: Record) -> None:
        record, lease = msgspec.msgpack.encode(mine), int(LEASE_SECONDS * 1000)
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(RedisError):
                # A Redis that was restarted has forgotten it.
                if not await self._redis.pexpire(name, lease):
                    await self._redis.set(name, record, nx=True, px=lease)

    async def _leave(self, name: str, run: str) -> None:
        """Gives the lease up, unless another replica has it by now."""
        known = await self._known(name)
        if known is not None and known.run == run:
            await self._redis.delete(name)

    async def _tell_failure(self, name: str, run: str, error: ServiceError) -> None:
        failed = Failed(error.code, error.retry_after, error.extra.get("attempts", []))
        with suppress(RedisError):
            await self._redis.set(
                f"llm:failure:{run}", msgspec.msgpack.encode(failed), ex=FAILURE_SECONDS
            )
            await self._leave(name, run)

    async def _wait_for(self, name: str, run: str) -> None:
        """
        Raises:
            ServiceError: that run of the call failed.
        """
        async with or_unavailable():
            while (theirs := await self._known(name)) is not None and theirs.run == run:
                if theirs.answer is not None:
                    return
                await asyncio.sleep(POLL_SECONDS)
            failed: Any = await self._redis.get(f"llm:failure:{run}")
        if failed is not None:
            raise msgspec.msgpack.decode(failed, type=Failed).error()

    async def _known(self, name: str) -> Record | None:
        data: Any = await self._redis.get(name)
        return None if data is None else msgspec.msgpack.decode(data, type=Record)


def kinds(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from kinds(child)
