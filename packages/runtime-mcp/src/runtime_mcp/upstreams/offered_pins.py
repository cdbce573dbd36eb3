"""The pins of what the servers offer now, as the upstreams file has them."""

import asyncio
from collections.abc import Mapping

from mcp.shared.exceptions import MCPError

from runtime_mcp.upstreams.config import UpstreamsConfig
from runtime_mcp.upstreams.errors import UpstreamError
from runtime_mcp.upstreams.pins import fingerprint_of
from runtime_mcp.upstreams.secrets import Secrets
from runtime_mcp.upstreams.server import Server
from runtime_mcp.upstreams.upstreams import server_of


async def offered_pins(
    config: UpstreamsConfig, environment: Mapping[str, str]
) -> dict[str, dict[str, str] | UpstreamError | MCPError]:
    """Of each server, in the order of the config: tool to fingerprint, or why it does not say."""
    secrets = Secrets(environment)
    servers = [server_of(name, each, secrets, environment) for name, each in config.servers.items()]
    found = await asyncio.gather(*map(pins_of, servers))
    return {server.name: each for server, each in zip(servers, found, strict=True)}


async def pins_of(server: Server) -> dict[str, str] | UpstreamError | MCPError:
    try:
        async with server.connected():
            return {tool.name: fingerprint_of(tool) for tool in await server.tools()}
    except (UpstreamError, MCPError) as error:
        return error
    finally:
        await server.aclose()
