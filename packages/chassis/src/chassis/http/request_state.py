"""What the middleware left on a request."""

from typing import TYPE_CHECKING, cast

from fastapi import Request

from chassis.identity.callers import Caller
from chassis.trace_context import Trace

if TYPE_CHECKING:
    pass


def trace_of(request: Request) -> Trace:
    """The trace that the middleware gave this request."""
    return cast(Trace, request.state.trace)


def caller_of(request: Request) -> Caller:
    """Who calls, as the guard found out."""
    return cast(Caller, request.state.caller)
