"""A Redis that fails is a failure of ours."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis.exceptions import RedisError

from api.errors import StateUnavailable


@asynccontextmanager
async def or_unavailable() -> AsyncGenerator[None]:
    """
    Raises:
        StateUnavailable: Redis failed in the block.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateUnavailable(f"Redis: {type(error).__name__}: {error}") from None
