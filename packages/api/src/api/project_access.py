"""Whether a caller may use a project.

`ProjectAccess` is the seam: where the platform's Governance SDK is to be asked, write one class.
"""

from typing import Literal, Protocol

from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

Permission = Literal["can_execute", "can_read"]
"""To make a call on the project's account, and to look at what could be called."""


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
