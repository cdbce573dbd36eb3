"""Spans for Langfuse, and traces read back from it."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from api.langfuse.settings import LangfuseSettings
from api.self_test import TraceProof
from api.telemetry.export import CallExport


@asynccontextmanager
async def opened(settings: LangfuseSettings, service: str) -> AsyncGenerator[CallExport]:
    """The export of calls to the Langfuse of these settings, for as long as the block.

    Args:
        service: what the spans say they come from.
    """
    from api.langfuse.export import export_to

    async with export_to(settings, service) as export:
        yield export


def trace_proof(settings: LangfuseSettings) -> AbstractAsyncContextManager[TraceProof]:
    """Reads traces back from the Langfuse of these settings, for as long as the block."""
    from api.langfuse.trace_reader import TraceReader

    return TraceReader(settings.langfuse_host or "", settings.langfuse_keys)
