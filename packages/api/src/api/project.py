"""The project of a request: from `X-Project-ID`, well formed, and open to the caller.

`ProjectLlm` is the one dependency that a route of one's own takes: the service helper, bound to the
project, the caller, the trace and the client's connection. It is made here alone, so a call
without a project cannot be written.
"""

from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Annotated, Any, TypeVar, Unpack

from fastapi import Depends, Request

from api.app_state import AppState, State
from api.llm.call import Call
from api.llm.client import Llm, Prompt, StreamEvent
from api.llm.observers import CallRecord
from api.project_access import Permission
from api.schemas import Completion, CompletionOptions
from api.tickets.granting import grant_of  # removable: tickets
from chassis.errors import PermissionDenied, ProjectInvalid
from chassis.http.disconnect import run_until_disconnect
from chassis.http.request_state import trace_of
from chassis.identity.guard import caller_of
from chassis.project_id import HEADER, SAFE_NAME_PATTERN, ProjectId, one_project

T = TypeVar("T")
QUERY = "project_id"
IN_OPENAPI: dict[str, Any] = {"type": "string", "pattern": f"^{SAFE_NAME_PATTERN}$"}


def in_openapi(*, required: bool, more: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The header for the document only: its value is checked here, and answered by 400, not 422.

    Args:
        more: other headers that the route checks by itself.
    """
    header = {
        "in": "header",
        "name": HEADER,
        "description": "On whose account the call is made",
        "required": required,
        "schema": IN_OPENAPI | {"examples": ["demo"]},
    }
    return {"parameters": [header, *more]}


async def allowed(
    request: Request, app: AppState, permission: Permission, project: ProjectId
) -> ProjectId:
    """The project again, when the caller of this request has this permission on it.

    Raises:
        PermissionDenied: the caller has not.
        AccessUnavailable: nobody can tell now.
    """
    caller = caller_of(request)
    if not await app.access.allows(caller, permission, project):
        raise PermissionDenied(f"{caller.key} has no {permission} on {project}")
    return project


class BoundLlm:
    """The service helper for one request: on its project's account, as long as its client waits.

    A failure of a call is a ServiceError, which becomes the answer's problem object by itself.
    """

    def __init__(self, request: Request, app: AppState, project_id: ProjectId) -> None:
        self.project_id = project_id
        self.caller = caller_of(request)
        self.trace = trace_of(request)
        self._request = request
        self._admission = app.admission
        self._llm: Llm = app.llm
        self._solution = app.settings.solution

    async def complete(self, prompt: Prompt, **options: Unpack[CompletionOptions]) -> Completion:
        """One whole answer.

        Args:
            prompt: the user's text, or the messages of a conversation.
            options: see `CompletionOptions`.

        Raises:
            ServiceError: there is none: the call failed, or was not let in.
            ClientDisconnected: the client went away; the call was cancelled.
        """
        return (await self.answer(prompt, **options))[0]

    async def answer(
        self, prompt: Prompt, **options: Unpack[CompletionOptions]
    ) -> tuple[Completion, CallRecord]:
        """The same, with what else is known of the call."""
        call = self._call(prompt, options, streams=False)
        return await self.while_connected(self.answer_detached(call))

    async def complete_detached(
        self, prompt: Prompt, **options: Unpack[CompletionOptions]
    ) -> Completion:
        """The same, and it goes on when the client leaves."""
        return (await self.answer_detached(self._call(prompt, options, streams=False)))[0]

    async def answer_detached(self, call: Call) -> tuple[Completion, CallRecord]:
        with self._admission.admitted():
            return await self._llm.answer(call)

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work to its end, as long as the client waits for it.

        Raises:
            ClientDisconnected: the client went away; the work was cancelled.
            Draining: the grace of a shutdown is over; the work was cancelled.
        """
        return await run_until_disconnect(self._request, self._admission, work)

    def stream(
        self, prompt: Prompt, **options: Unpack[CompletionOptions]
    ) -> AsyncGenerator[StreamEvent]:
        """The events of an answer as it comes; see `Llm.stream`. It is let in by who reads it."""
        return self._llm.events(self._call(prompt, options, streams=True))

    def _call(self, prompt: Prompt, options: CompletionOptions, *, streams: bool) -> Call:
        return self._llm.call(
            prompt,
            self.project_id,
            self._solution,
            self.caller.user_id,
            self.trace,
            options,
            streams=streams,
        )


async def of_header(request: Request, state: State) -> BoundLlm:
    """The helper for the project of the header, on whose account the caller may make calls."""
    project = one_project(request.headers.getlist(HEADER))
    return BoundLlm(request, state, await allowed(request, state, "can_execute", project))


async def of_header_or_query(request: Request, state: State) -> BoundLlm:
    """The same; an `EventSource` says the project in the query, or by its ticket.

    Where it is said twice, both must agree.
    """
    said = [request.headers.getlist(HEADER), request.query_params.getlist(QUERY)]
    said += [[grant.project_id] for grant in [grant_of(request)] if grant]  # removable: tickets
    said = [values for values in said if values]
    if any(values != said[0] for values in said):
        raise ProjectInvalid("header, query and ticket differ")
    project = one_project(said[0] if said else [])
    return BoundLlm(request, state, await allowed(request, state, "can_execute", project))


async def to_read(request: Request, state: State) -> ProjectId:
    """The project of the header, which the caller may look at."""
    project = one_project(request.headers.getlist(HEADER))
    return await allowed(request, state, "can_read", project)


ProjectLlm = Annotated[BoundLlm, Depends(of_header)]
StreamLlm = Annotated[BoundLlm, Depends(of_header_or_query)]
ReadableProject = Annotated[ProjectId, Depends(to_read)]
