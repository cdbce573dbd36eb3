"""`/metrics` without the redirect to `/metrics/` that LiteLLM's mount makes of it."""

import functools

from litellm.proxy.proxy_server import app  # noqa: TID251 - runs inside LiteLLM
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

PATH = "/metrics"


class Metrics:
    """Asks the mount for the same, so that LiteLLM's own answer is given."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{PATH}/"
        await app.router({**scope, "path": path, "raw_path": path.encode()}, receive, send)


@functools.cache
def serve() -> None:
    """Adds the route, once for the process."""
    app.router.routes.append(Route(PATH, Metrics(), methods=["GET"]))
