"""What the middleware left on a request."""

from typing import cast

from fastapi import Request

from chassis.trace_context import Trace


def trace_of(request: Request) -> Trace:
    """The trace that the middleware gave this request."""
    return cast(Trace, request.state.trace)
