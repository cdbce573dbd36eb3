"""The gateway and its Postgres are killed under calls: what was executed is recorded."""

from pathlib import Path

from postgres_server import PostgresServer
from tool_call_storm import assert_nothing_is_lost


async def test_what_was_executed_is_recorded_whoever_is_killed(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    await assert_nothing_is_lost(tmp_path, postgres, calls=600, kills=4, seed=1)
