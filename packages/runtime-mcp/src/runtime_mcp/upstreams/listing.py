"""All that a server says of its tools: page by page, and no more than is allowed."""

from mcp.client.client import Client
from mcp_types import Tool

from chassis.logs import log
from runtime_mcp.upstreams.errors import UpstreamTooLarge

MOST_PAGES = 50


async def listed(client: Client, server: str, most: int) -> list[Tool]:
    """
    Args:
        server: its name, for the log.
        most: bytes of all pages, as JSON.

    Raises:
        UpstreamTooLarge: they are more.
    """
    found: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        most -= sum(len(tool.model_dump_json(exclude_none=True)) for tool in page.tools)
        if most < 0:
            raise UpstreamTooLarge(f"{server}: it says more of its tools than is allowed")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return found
    log.warning("upstream_pages_left", server=server, read=MOST_PAGES, tools=len(found))
    return found
