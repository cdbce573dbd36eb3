"""On whose account a call is made. Without a project and a solution there is no call."""

from dataclasses import dataclass
from typing import Any

from chassis.project_id import ProjectId, SafeName


class Solution(SafeName):
    """The solution that makes the call."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who pays for a call, and under which trace it is found again."""

    project_id: ProjectId
    solution: Solution
    trace_id: str
    session_id: str | None = None
    user_id: str | None = None
    records_generations: bool = False
    """Whether this service records the generations in Langfuse, and the gateway must not."""

    def metadata(self) -> dict[str, Any]:
        """A fresh `metadata` object for one request to the gateway.

        The plain keys are what the platform documents; `trace_metadata` and `tags` are what
        becomes a field in Langfuse. Never shared: LiteLLM writes into the object it is given.
        """
        metadata: dict[str, Any] = {
            "project_id": str(self.project_id),
            "solution": str(self.solution),
            "trace_id": self.trace_id,
            "trace_metadata": {
                "project_id": str(self.project_id),
                "solution": str(self.solution),
            },
            "tags": [f"project:{self.project_id}", f"solution:{self.solution}"],
        }
        if self.session_id is not None:
            metadata["session_id"] = self.session_id
        if self.user_id is not None:
            metadata["trace_user_id"] = self.user_id
        if self.records_generations:
            metadata["langfuse_generations"] = "service"
        return metadata
