"""The composition root: every part of the application is made here, in order, and closed again."""

import platform
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import aiohttp
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.exceptions import HTTPException
from starlette.routing import Route

from chassis.errors import ServiceError
from chassis.http.request_context import RequestContext
from chassis.identity.access_tokens import AccessTokens
from chassis.identity.api_keys import ApiKeyIdentity, ApiKeys, parse_keys
from chassis.identity.callers import Identity
from chassis.identity.guard import Guard
from chassis.identity.jwks import Jwks
from chassis.identity.keycloak import KeycloakIdentity
from chassis.problems import handle
from chassis.redaction import keep_out_all
from chassis.watched_file import WatchedFile
from runtime_mcp.agents.agent import LocalAgent
from runtime_mcp.agents.guard import PUBLIC, authenticate
from runtime_mcp.allowlist import allowlist
from runtime_mcp.app_state import AppState, LifespanState
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.metrics import Metrics
from runtime_mcp.routes import audit as audit_routes
from runtime_mcp.routes import health
from runtime_mcp.settings import Settings, environment
from runtime_mcp.tools.builtin import LlmService
from runtime_mcp.tools.call import ToolCalls
from runtime_mcp.tools.catalog import Catalog
from runtime_mcp.tools.mcp_server import mcp_server
from runtime_mcp.tools.span_export import spans_of_calls
from runtime_mcp.upstreams import config as upstreams_config
from runtime_mcp.upstreams.upstreams import Upstreams

LOOPBACK = ["127.0.0.1:*", "localhost:*", "[::1]:*"]


def create_app(settings: Settings) -> FastAPI:
    """The tool gateway for these settings."""
    keep_out_all(settings)
    release = version("solution-runtime-mcp")
    mcp = StreamableHTTPSessionManager(
        mcp_server(release),
        stateless=True,
        security_settings=allowed_hosts(settings),
        max_request_body_size=settings.max_body_bytes,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[LifespanState]:
        async with opened(settings, release) as state, mcp.run():
            yield LifespanState(app=state, count_refusal=state.metrics.refused)

    app = FastAPI(
        title="em-runtime-mcp",
        version=release,
        lifespan=lifespan,
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


def allowed_hosts(settings: Settings) -> TransportSecuritySettings:
    """Without a token a page of any site could call: only this machine's names are answered."""
    if settings.auth_mode != "disabled":
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=LOOPBACK,
        allowed_origins=[f"http://{host}" for host in LOOPBACK],
    )


@asynccontextmanager
async def opened(settings: Settings, release: str) -> AsyncGenerator[AppState]:
    """The parts that all requests share, each made of those before it."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        listed = await enter(WatchedFile(settings.allowlist_file, allowlist.parse))
        servers = await enter(
            WatchedFile(
                settings.upstreams_file, lambda text: upstreams_config.parse(text, environment())
            )
        )
        files: dict[str, WatchedFile[Any]] = {"allowlist": listed, "upstreams": servers}
        keys = None
        if settings.agent_keys_file is not None and settings.auth_mode == "keys":
            files["agent_keys"] = keys = await enter(
                WatchedFile(settings.agent_keys_file, parse_keys)
            )
        upstreams = await enter(Upstreams(servers.now, environment()))
        servers.on_change(upstreams.take)
        llm_service = None
        if settings.llm_service_url is not None:
            http = await enter(aiohttp.ClientSession())
            llm_service = LlmService(http, settings.llm_service_url, settings.tool_timeout_seconds)
        audit = await enter(audit_log(settings))
        metrics = Metrics(release)
        export = await enter(spans_of_calls(settings))
        yield AppState(
            identity=await enter(identity_opened(settings, keys)),
            calls=ToolCalls(
                catalog=Catalog(upstreams, llm_service),
                allowlist=lambda: listed.now,
                audit=audit,
                metrics=metrics,
                keeps_content=settings.audit_capture_content,
                on_end=export.ended if export is not None else None,
            ),
            audit=audit,
            upstreams=upstreams,
            metrics=metrics,
            files=files,
            exports=[export] if export is not None else [],
        )


def audit_log(settings: Settings) -> AuditLog:
    key = settings.audit_chain_key
    return AuditLog(
        settings.database_url.get_secret_value(),
        source_pod=platform.node(),
        retention_days=settings.audit_retention_days,
        key=key.get_secret_value().encode() if key else b"",
    )


@asynccontextmanager
async def identity_opened(
    settings: Settings, keys: WatchedFile[ApiKeys] | None
) -> AsyncGenerator[Identity]:
    """Who calls is found out as `AUTH_MODE` says.

    Args:
        keys: of `AUTH_MODE=keys`.
    """
    if settings.auth_mode == "disabled":
        yield LocalAgent(settings.local_agent)
    elif keys is not None:
        yield ApiKeyIdentity(lambda: keys.now)
    else:
        issuer, audience = settings.keycloak_issuer_url or "", settings.keycloak_audience or ""
        async with Jwks(settings.jwks_url()) as jwks:
            yield KeycloakIdentity(AccessTokens(jwks, issuer, audience))
