"""The real SDK of Langfuse: the one that is installed here, and the gateway's, a version before."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from langfuse import Langfuse, propagate_attributes
from opentelemetry.sdk.trace import TracerProvider

from local.langfuse.app import Keys
from running import GATEWAY_PYTHON

TRACE = "0af7651916cd43dd8448eb211c80319c"
GROUPS = (
    *("core", "basic", "time", "io", "metadata", "model", "usage", "prompt", "metrics"),
    "trace_context",
)
READ = """
import json, sys
from langfuse import Langfuse
client = Langfuse(tracing_enabled=False)
trace = client.api.trace.get(sys.argv[1])
print(trace.json(by_alias=True) if hasattr(trace, "json") else json.dumps(trace))
"""


@contextmanager
def sdk(url: str, keys: Keys) -> Iterator[Langfuse]:
    """Blocks: not for the loop that Langfuse runs in."""
    client = Langfuse(
        public_key=keys.public,
        secret_key=keys.secret,
        base_url=url,
        environment="tests",
        release="r-1",
        tracer_provider=TracerProvider(),
    )
    try:
        yield client
    finally:
        client.shutdown()


def written_by(client: Langfuse) -> None:
    """A trace of a span with a generation."""
    with propagate_attributes(
        trace_name="a call",
        user_id="ada",
        session_id="s-1",
        tags=["project:demo", "solution:tests"],
        metadata={"project_id": "demo"},
    ):
        with client.start_as_current_observation(
            name="service", as_type="span", trace_context={"trace_id": TRACE}
        ):
            with client.start_as_current_observation(
                name="attempt",
                as_type="generation",
                model="gpt-of-the-tests",
                model_parameters={"max_tokens": 16},
                input=[{"role": "user", "content": "hello"}],
                metadata={"finish_reason": "length"},
            ) as generation:
                generation.update(
                    output="bonjour",
                    completion_start_time=datetime.now(UTC),
                    usage_details={"input": 3, "output": 4},
                    cost_details={"input": 0.1, "output": 0.2},
                    level="WARNING",
                    status_message="truncated",
                )
    client.flush()


async def read_by_version_4(url: str, keys: Keys) -> dict[str, Any]:
    """The trace, as the gateway's SDK reads it."""
    process = await asyncio.create_subprocess_exec(
        *(str(GATEWAY_PYTHON), "-W", "ignore", "-c", READ, TRACE),
        env={
            "LANGFUSE_HOST": url,
            "LANGFUSE_PUBLIC_KEY": keys.public,
            "LANGFUSE_SECRET_KEY": keys.secret,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found
