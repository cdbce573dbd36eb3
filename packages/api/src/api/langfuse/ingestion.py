"""Langfuse's OTLP endpoint and the headers that it wants."""

import base64

LANGFUSE_PATH = "/api/public/otel/v1/traces"


def langfuse_headers(public_key: str, secret_key: str) -> dict[str, str]:
    """Basic auth with the project's keys, and the version of ingestion that our attributes need."""
    keys = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    return {"Authorization": f"Basic {keys}", "x-langfuse-ingestion-version": "4"}
