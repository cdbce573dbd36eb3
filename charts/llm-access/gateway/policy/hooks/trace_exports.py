"""Where traces go: nowhere, unless the environment of the gateway says where.

LiteLLM takes a callback from its config whether its variables are there or not; `langfuse` then
sends to its vendor's cloud, and `otel` prints spans into the log.
"""

import functools
import logging
import os
from collections.abc import Mapping, MutableMapping

import litellm  # noqa: TID251 - runs inside LiteLLM

logger = logging.getLogger("gateway.policy")

LANGFUSE = ("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
GRPC_PORT = ":4317"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@functools.cache
def turn_on() -> None:
    """Adds the callbacks that the environment has the variables for; once for the process."""
    environ = os.environ  # noqa: TID251 - the gateway's own, not the service's
    if wants_langfuse(environ):
        from policy.hooks.langfuse import Langfuse  # noqa: PLC0415 - its imports cost a second

        litellm.logging_callback_manager.add_litellm_callback(Langfuse())
    if environ.get(ENDPOINT):
        set_defaults(environ)
        litellm.logging_callback_manager.add_litellm_callback("otel")


def wants_langfuse(environ: Mapping[str, str]) -> bool:
    """Whether all three variables are there; some of them are worth a warning."""
    missing = [name for name in LANGFUSE if not environ.get(name)]
    if 0 < len(missing) < len(LANGFUSE):
        logger.warning("no traces in Langfuse without %s", " and ".join(missing))
    return not missing


def set_defaults(environ: MutableMapping[str, str]) -> None:
    """What LiteLLM's `otel` takes from the environment.

    1. Where no protocol is named it would print the spans; the port says which it is.
    2. A collector gets times and numbers, and no prompts. LiteLLM's `message_logging: false` would
       take them out of what Langfuse gets as well.
    """
    is_grpc = environ[ENDPOINT].rstrip("/").endswith(GRPC_PORT)
    environ.setdefault(PROTOCOL, "grpc" if is_grpc else "http/protobuf")
    environ.setdefault(CONTENT, "NO_CONTENT")
