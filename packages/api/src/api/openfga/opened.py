"""Access to projects, asked of OpenFGA."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from api.openfga.settings import OpenFgaSettings
from api.project_access import ProjectAccess


@asynccontextmanager
async def opened(
    settings: OpenFgaSettings, count: Callable[[str], None]
) -> AsyncGenerator[ProjectAccess]:
    """Who knows which projects a caller may use, for as long as the block.

    Args:
        count: is told `allowed`, `denied` or, where nobody could tell, `unavailable`.
    """
    from api.openfga.cached_access import CachedAccess, CountedAccess
    from api.openfga.client import OpenFga

    token = settings.openfga_api_token and settings.openfga_api_token.get_secret_value()
    url, store_id = settings.openfga_api_url or "", settings.openfga_store_id or ""
    async with OpenFga(url, store_id, token or None) as openfga:
        yield CachedAccess(CountedAccess(openfga, count))
