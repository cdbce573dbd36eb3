"""What stands behind each seam, as the settings say."""

import platform
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from chassis.identity.access_tokens import AccessTokens
from chassis.identity.jwks import Jwks
from chassis.watched_file import WatchedFile
from runtime_mcp.agents.agent import (
    AgentKeys,
    AgentKeysFile,
    Agents,
    AgentsOfRealm,
    LocalAgent,
    parse_keys,
)
from runtime_mcp.allowlist import allowlist
from runtime_mcp.app_state import AppState
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.metrics import Metrics
from runtime_mcp.settings import Settings, environment
from runtime_mcp.tools.builtin import LlmService
from runtime_mcp.tools.call import Calls
from runtime_mcp.tools.catalog import Offers
from runtime_mcp.tools.span_export import spans_of_calls
from runtime_mcp.upstreams.config import parse
from runtime_mcp.upstreams.upstreams import Upstreams


@asynccontextmanager
async def parts_of(settings: Settings, version: str) -> AsyncGenerator[AppState]:
    """The parts that all requests share.

    Args:
        version: of the gateway.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        listed = await enter(WatchedFile(settings.allowlist_file, allowlist.parse))
        servers = await enter(
            WatchedFile(settings.upstreams_file, lambda text: parse(text, environment()))
        )
        upstreams = await enter(Upstreams(servers.now, environment()))
        servers.tell(upstreams.take)
        files: dict[str, WatchedFile[Any]] = {"allowlist": listed, "upstreams": servers}
        keys = None
        if settings.agent_keys_file is not None and settings.auth_mode == "keys":
            keys = await enter(WatchedFile(settings.agent_keys_file, parse_keys))
            files["agent_keys"] = keys
        llm_service = None
        if settings.llm_service_url is not None:
            llm_service = await enter(
                LlmService(settings.llm_service_url, settings.tool_timeout_seconds)
            )
        url = settings.database_url.get_secret_value()
        key = settings.audit_chain_key
        audit = await enter(
            AuditLog(
                url,
                source_pod=platform.node(),
                retention_days=settings.audit_retention_days,
                key=key.get_secret_value().encode() if key else b"",
            )
        )
        metrics = Metrics(version)
        export = await enter(spans_of_calls(settings))
        yield AppState(
            settings=settings,
            agents=await enter(agents_of(settings, keys)),
            calls=Calls(
                offers=Offers(upstreams, llm_service),
                allowlist=lambda: listed.now,
                audit=audit,
                metrics=metrics,
                keeps_content=settings.audit_capture_content,
                watch=export.ended if export is not None else None,
            ),
            audit=audit,
            upstreams=upstreams,
            metrics=metrics,
            files=files,
            exports=[export] if export is not None else [],
        )


@asynccontextmanager
async def agents_of(
    settings: Settings, keys: WatchedFile[AgentKeysFile] | None
) -> AsyncGenerator[Agents]:
    """How agents are told, as `AUTH_MODE` says.

    Args:
        keys: of `AUTH_MODE=keys`.
    """
    if settings.auth_mode == "disabled":
        yield LocalAgent(settings.local_agent)
    elif keys is not None:
        yield AgentKeys(lambda: keys.now)
    else:
        issuer, audience = settings.keycloak_issuer_url or "", settings.keycloak_audience or ""
        async with Jwks(settings.jwks_url()) as realm:
            yield AgentsOfRealm(AccessTokens(realm, issuer, audience))
