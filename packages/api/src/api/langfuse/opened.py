"""Spans for Langfuse, and traces read back from it."""

from contextlib import AbstractAsyncContextManager

from api.langfuse.settings import LangfuseSettings
from api.self_test import TraceProof
from api.telemetry.export import CallExport


def opened(settings: LangfuseSettings, service: str) -> AbstractAsyncContextManager[CallExport]:
    """The export of calls to the Langfuse of these settings, for as long as the block.

    Args:
        service: what the spans say they come from.
    """
    from api.langfuse.export import export_to

    return export_to(settings, service)


def trace_proof(settings: LangfuseSettings) -> AbstractAsyncContextManager[TraceProof]:
    """Reads traces back from the Langfuse of these settings, for as long as the block."""
    from api.langfuse.trace_reader import TraceReader

    return TraceReader(settings.langfuse_host or "", settings.langfuse_keys)
