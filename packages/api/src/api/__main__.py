"""`python -m api`: reads the environment, says in one line what is wrong with it, and serves."""

import gc
import sys

import uvicorn

from api import NAME
from api.main import create_app
from api.settings import load_settings
from chassis.admission import Admission
from chassis.logs import configure_logs, log
from chassis.redaction import redact_output
from chassis.server.connection import Connection
from chassis.server.server import Server, listening
from chassis.settings import SettingsError, refuse_to_start, say

NO_OPENFGA = "OPENFGA_API_URL is not set: whoever has a token may call, for any project"
CONNECTIONS_PER_CALL = 2
"""One that a call is made on, and one that is kept for the next."""


def main() -> int:
    """Serves until a signal; returns the exit code."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return refuse_to_start(NAME, error.lines)
    redact_output()
    configure_logs(settings.log_level, sys.stdout)
    try:
        listener = listening(settings.host, settings.port)
    except SettingsError as error:
        return refuse_to_start(NAME, error.lines)
    admission = Admission(settings.llm_max_in_flight)
    if settings.auth_mode == "disabled":
        say(NAME, "AUTH_MODE=disabled: anybody may call, for any project")
    elif settings.openfga_api_url is None:  # removable: openfga
        say(NAME, NO_OPENFGA)  # removable: openfga
    for line in settings.langfuse_notes():  # removable: langfuse
        say(NAME, line)  # removable: langfuse
    config = uvicorn.Config(
        create_app(settings, admission),
        http=Connection,
        limit_concurrency=CONNECTIONS_PER_CALL * settings.llm_max_in_flight,
        log_config=None,
        access_log=False,
        ws="none",
        root_path=settings.root_path,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=3,
    )
    host, port = listener.getsockname()[:2]
    log.info("listening", host=host, port=port, gateway=settings.llm_gateway_url)
    keep_garbage_collection_rare()
    Server(config, admission).run(sockets=[listener])
    return 0


def keep_garbage_collection_rare() -> None:
    """What is loaded by now stays; a request leaves no cycles that could not wait."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


if __name__ == "__main__":
    sys.exit(main())
