"""Decisions on projects, each kept for seconds, and counted when they are asked for."""

import asyncio
from collections.abc import Callable

from cachetools import TTLCache

from api.errors import AccessUnavailable
from api.project_access import Permission, ProjectAccess
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

KEPT_SECONDS = 5.0
KEPT_DECISIONS = 10_000

Asked = tuple[Caller, Permission, ProjectId]


class CountedAccess:
    """Another, with each of its decisions counted.

    Args:
        count: is told `allowed`, `denied` or, where nobody could tell, `unavailable`.
    """

    def __init__(self, access: ProjectAccess, count: Callable[[str], None]) -> None:
        self._access = access
        self._count = count

    async def allows(self, caller: Caller, permission: Permission, project: ProjectId) -> bool:
        """See `ProjectAccess.allows`."""
        try:
            is_allowed = await self._access.allows(caller, permission, project)
        except AccessUnavailable:
            self._count("unavailable")
            raise
        self._count("allowed" if is_allowed else "denied")
        return is_allowed


class CachedAccess:
    """Decisions of another, each kept for seconds: so long may it take until a change is noticed.

    Args:
        access: asked for what is not kept; once for all who ask at the same time.
        seconds: for which a decision is kept, a denial too. That nobody could tell is not kept.
    """

    def __init__(self, access: ProjectAccess, seconds: float = KEPT_SECONDS) -> None:
        self._access = access
        self._known: TTLCache[Asked, bool] = TTLCache(KEPT_DECISIONS, seconds)
        self._asking: dict[Asked, asyncio.Task[bool]] = {}

    async def allows(self, caller: Caller, permission: Permission, project: ProjectId) -> bool:
        """See `ProjectAccess.allows`."""
        asked = caller, permission, project
        if (known := self._known.get(asked)) is not None:
            return known
        task = self._asking.get(asked)
        if task is None:
            task = asyncio.create_task(self._access.allows(*asked))
            self._asking[asked] = task
            task.add_done_callback(lambda done: self._keep(asked, done))
        return await asyncio.shield(task)

    def _keep(self, asked: Asked, task: "asyncio.Task[bool]") -> None:
        del self._asking[asked]
        if not task.cancelled() and task.exception() is None:
            self._known[asked] = task.result()
