"""Ten thousand tool calls under twenty kills of the gateway and of its Postgres."""

from pathlib import Path

from postgres_server import PostgresServer
from tool_call_storm import assert_nothing_is_lost


async def test_of_ten_thousand_calls_none_is_executed_unrecorded(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    await assert_nothing_is_lost(tmp_path, postgres, calls=10_000, kills=20, seed=20)
