"""Waiting for work as long as somebody wants it: the client is there, and the process stays."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from chassis.admission import Admission
from chassis.errors import Draining

T = TypeVar("T")


class ClientDisconnected(Exception):
    """The client went away; there is nobody to answer."""


async def run_until_disconnect(
    request: Request, admission: Admission, work: Coroutine[Any, Any, T]
) -> T:
    """Does the work to its end.

    Raises:
        ClientDisconnected: the client went away; the work was cancelled.
        Draining: the grace of a shutdown is over; the work was cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        await wait_until_disconnect(request, admission, task)
        return task.result()
    finally:
        await cancel(task)


async def wait_until_disconnect(
    request: Request,
    admission: Admission,
    work: "asyncio.Future[T]",
    *,
    patience: float | None = None,
) -> None:
    """Waits until the work is done, or patience, in seconds, has ended.

    Raises:
        ClientDisconnected, Draining: see `run_until_disconnect`.
        HTTPException: the client goes on to send a body, and it is too large.
    """
    gone = asyncio.ensure_future(disconnect(request.receive))
    ends: set[asyncio.Future[Any]] = {work, gone, admission.grace_is_over}
    try:
        done, _ = await asyncio.wait(
            ends,
            timeout=patience,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        if not gone.cancel():
            gone.exception()
    if work in done and not work.cancelled():
        return
    if gone in done:
        gone.result()
        raise ClientDisconnected
    if admission.grace_is_over in done:
        raise Draining


async def disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def cancel(work: "asyncio.Future[Any]") -> None:
    """Cancels the work and waits until it is over; what it raises is nobody's business any more."""
    if work.cancel():
        await asyncio.wait({work})
    if not work.cancelled():
        work.exception()
