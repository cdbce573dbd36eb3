"""The composition root: the application around its parts, and how they begin and end."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.exceptions import HTTPException
from starlette.routing import Route

from chassis.errors import ServiceError
from chassis.http.request_context import RequestContext
from chassis.identity.guard import Guard
from chassis.problems import handle
from chassis.redaction import keep_out_all
from runtime_mcp.agents.guard import PUBLIC, authenticate
from runtime_mcp.app_state import LifespanState
from runtime_mcp.routes import audit as audit_routes
from runtime_mcp.routes import health
from runtime_mcp.settings import Settings
from runtime_mcp.tools.mcp_server import mcp_server
from runtime_mcp.wiring import parts_of

LOOPBACK = ["127.0.0.1:*", "localhost:*", "[::1]:*"]


def create_app(settings: Settings) -> FastAPI:
    """The tool gateway for these settings."""
    keep_out_all(settings)
    release = version("llm-access-runtime-mcp")
    mcp = StreamableHTTPSessionManager(
        mcp_server(release),
        stateless=True,
        security_settings=from_where(settings),
        max_request_body_size=settings.max_body_bytes,
    )
    app = FastAPI(
        title="em-runtime-mcp",
        version=release,
        lifespan=lifespan_of(settings, mcp, release),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Guard, authenticate=authenticate, public=PUBLIC)
    app.add_middleware(RequestContext, max_body_bytes=settings.max_body_bytes)
    for kind in (ServiceError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)
    # A GET would be a stream of nothing that is held open: the gateway says nothing of its own.
    app.router.routes.append(Route("/mcp", StreamableHTTPASGIApp(mcp), methods=["POST"]))
    app.include_router(health.router)
    app.include_router(audit_routes.router)
    return app


def from_where(settings: Settings) -> TransportSecuritySettings:
    """Without a token a page of any site could call: only this machine's names are answered."""
    if settings.auth_mode != "disabled":
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=LOOPBACK,
        allowed_origins=[f"http://{host}" for host in LOOPBACK],
    )


def lifespan_of(
    settings: Settings, mcp: StreamableHTTPSessionManager, release: str
) -> Callable[[FastAPI], AbstractAsyncContextManager[LifespanState]]:
    """The lifespan that makes what the requests share, and takes it down again."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[LifespanState]:
        async with AsyncExitStack() as stack:
            state = await stack.enter_async_context(parts_of(settings, release))
            await stack.enter_async_context(mcp.run())
            yield LifespanState(app=state, count_refusal=state.metrics.refused)

    return lifespan
