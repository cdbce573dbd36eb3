"""Spans for Langfuse, and traces read back from it."""

from contextlib import AbstractAsyncContextManager

from api.langfuse.settings import LangfuseSettings
from api.self_test import TraceProof


def trace_proof(settings: LangfuseSettings) -> AbstractAsyncContextManager[TraceProof]:
    """Reads traces back from the Langfuse of these settings, for as long as the block."""
    from api.langfuse.trace_reader import TraceReader

    public, secret = settings.langfuse_public_key, settings.langfuse_secret_key
    return TraceReader(
        settings.langfuse_host or "",
        public.get_secret_value() if public else "",
        secret.get_secret_value() if secret else "",
    )
