"""The databases that a record is tried in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postgres_server import PostgresServer, running_postgres


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with running_postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'audit.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url
