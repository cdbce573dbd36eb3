"""Spans to a collector, where the environment of the gateway names one.

LiteLLM takes the callback `otel` from its config whether its variables are there or not, and then
prints spans into the log.
"""

import functools
import os
from collections.abc import MutableMapping

import litellm

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
GRPC_PORT = ":4317"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@functools.cache
def turn_on() -> None:
    """Once for the process."""
    environ = os.environ
    if environ.get(ENDPOINT):
        set_defaults(environ)
        litellm.logging_callback_manager.add_litellm_callback("otel")


def set_defaults(environ: MutableMapping[str, str]) -> None:
    """What LiteLLM's `otel` takes from the environment.

    1. Where no protocol is named it would print the spans; the port says which it is.
    2. A collector gets times and numbers, and no prompts. LiteLLM's `message_logging: false` would
       take them out of what Langfuse gets as well.
    """
    is_grpc = environ[ENDPOINT].rstrip("/").endswith(GRPC_PORT)
    environ.setdefault(PROTOCOL, "grpc" if is_grpc else "http/protobuf")
    environ.setdefault(CONTENT, "NO_CONTENT")
