"""Whether a caller may use a project: asked of who knows it, and remembered for seconds.

`ProjectAccess` is the seam: where the platform's Governance SDK is to be asked, write one class.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol

from cachetools import TTLCache

from api.errors import AccessUnavailable
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

Permission = Literal["can_execute", "can_read"]
"""To make a call on the project's account, and to look at what could be called."""

REMEMBERED_SECONDS = 5.0
REMEMBERED = 10_000

Asked = tuple[Caller, Permission, ProjectId]


class ProjectAccess(Protocol):
    """Who may do what on which project's account."""

    async def allows(self, caller: Caller, permission: Permission, project: ProjectId) -> bool:
        """
        Raises:
            AccessUnavailable: nobody can tell now, and so it is not allowed.
        """
        ...


class AllowAll:
    """Without `OPENFGA_API_URL`: whoever may call at all may name any project."""

    async def allows(self, _: Caller, __: Permission, ___: ProjectId) -> bool:
        """See `ProjectAccess.allows`."""
        return True


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
        access: asked for what is not remembered; once for all who ask at the same time.
        seconds: for which a decision is kept, a denial too. That nobody could tell is not kept.
    """

    def __init__(self, access: ProjectAccess, seconds: float = REMEMBERED_SECONDS) -> None:
        self._access = access
        self._known: TTLCache[Asked, bool] = TTLCache(REMEMBERED, seconds)
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
