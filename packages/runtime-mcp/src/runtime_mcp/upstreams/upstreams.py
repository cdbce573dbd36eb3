"""All upstream servers, as the file has them now: added ones start, removed ones end when their
calls have ended, changed ones are replaced. None of it stops another."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from mcp.shared.exceptions import MCPError
from mcp_types import Tool

from chassis.logs import log
from runtime_mcp.upstreams.config import ServerConfig, StdioServerConfig, UpstreamsConfig
from runtime_mcp.upstreams.errors import UpstreamError
from runtime_mcp.upstreams.followed import Followed, UpstreamState
from runtime_mcp.upstreams.http.server import HttpServer
from runtime_mcp.upstreams.offering import OfferedTool, Pins, fingerprint_of
from runtime_mcp.upstreams.secrets import Secrets
from runtime_mcp.upstreams.server import Server
from runtime_mcp.upstreams.stdio.server import StdioServer

REFRESH_SECONDS = 30.0


class Upstreams:
    """
    Args:
        environment: the gateway's own, for what the config refers to.
        refresh: seconds after which a server's tools are listed again.
    """

    def __init__(
        self,
        config: UpstreamsConfig,
        environment: Mapping[str, str],
        *,
        refresh: float = REFRESH_SECONDS,
    ) -> None:
        self._config = config
        self._environment = environment
        self._secrets = Secrets(environment)
        self._refresh = refresh
        self._followed: dict[str, Followed] = {}
        self._retiring: dict[asyncio.Task[None], Followed] = {}
        self._pins: dict[tuple[str, ...], Pins] = {}

    async def __aenter__(self) -> Self:
        self.take(self._config)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        left = [*self._followed.values(), *self._retiring.values()]
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*(each.end() for each in left))

    def take(self, config: UpstreamsConfig) -> None:
        """From now on these are the servers."""
        before, self._config = self._config, config
        for name, followed in list(self._followed.items()):
            now = config.servers.get(name)
            if now is None or without_pins(now) != without_pins(before.servers[name]):
                del self._followed[name]
                retiring = asyncio.create_task(followed.retire())
                self._retiring[retiring] = followed
                retiring.add_done_callback(self._retiring.pop)
                log.info("upstream_retired", server=name, is_replaced=now is not None)
        # In the order of the config, those that stay too.
        self._followed = {
            name: self._followed.get(name) or self._start(name, each)
            for name, each in config.servers.items()
        }
        for name, each in config.servers.items():
            self._followed[name].pin(each.pins)

    def tools(self) -> list[Tool]:
        """What can be called now."""
        return [
            offered.tool for each in self._followed.values() for offered in each.offered.values()
        ]

    def get(self, name: str) -> OfferedTool | None:
        """The tool of this full name, when it can be called now."""
        followed = self._followed.get(name.partition(".")[0])
        return followed.offered.get(name) if followed else None

    def states(self) -> list[UpstreamState]:
        """Of each server, in the order of the config."""
        return [each.state for each in self._followed.values()]

    def _start(self, name: str, config: ServerConfig) -> Followed:
        # What was seen of a server counts on when another line of it is changed, and not elsewhere.
        pins = self._pins.setdefault((name, *where(config)), Pins())
        server = server_of(name, config, self._secrets, self._environment)
        return Followed(server, pins, self._refresh)


def server_of(
    name: str, config: ServerConfig, secrets: Secrets, environment: Mapping[str, str]
) -> Server:
    """The server that this config names."""
    if isinstance(config, StdioServerConfig):
        return StdioServer(name, config, secrets, environment)
    return HttpServer(name, config, secrets)


def where(config: ServerConfig) -> tuple[str, ...]:
    if isinstance(config, StdioServerConfig):
        return (config.command, *config.args, str(config.cwd))
    return (config.url,)


def without_pins(config: ServerConfig) -> ServerConfig:
    return config.model_copy(update={"pins": {}})


async def offered_pins(
    config: UpstreamsConfig, environment: Mapping[str, str]
) -> dict[str, dict[str, str] | UpstreamError | MCPError]:
    """Of each server, in the order of the config: tool to fingerprint, or why there is none."""
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
