"""Which pages of other origins may call, never with cookies, and what they get to see."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

EXPOSED = (
    "Idempotent-Replayed",
    "Retry-After",
    "Server-Timing",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""Every header of an answer that says something to a page; a browser hides the others from it."""
TAKEN = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-Project-ID",
    "X-Request-ID",
    "traceparent",
)


def let_in(app: FastAPI, origins: Sequence[str]) -> None:
    """Pages of these origins may call, and read the answers, errors included."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=TAKEN,
        expose_headers=EXPOSED,
    )
