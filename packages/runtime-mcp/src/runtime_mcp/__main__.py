"""`python -m runtime_mcp`: says in one line what is wrong with the environment, or serves."""

import sys
from types import FrameType

import uvicorn
from sse_starlette.sse import AppStatus

from chassis.logs import configure_logs, log
from chassis.redaction import redact_output
from chassis.server.connection import Connection
from chassis.server.server import listening
from chassis.settings import SettingsError, refuse_to_start, say
from runtime_mcp.settings import load_settings

PROGRAM = "runtime-mcp"
MOST_CONNECTIONS = 1000
NOT_STARTED = 3


class Server(uvicorn.Server):
    """Ends with 0 after a signal, and at once after the second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        # sse-starlette would cut every call at the first signal that is answered as a stream.
        AppStatus.enable_automatic_graceful_drain = False

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Called at each signal. uvicorn's own would end by the signal itself."""
        self.force_exit = self.should_exit
        self.should_exit = True


def main() -> int:
    """Serves until a signal; returns the exit code, which is not 0 where nothing was served."""
    try:
        settings = load_settings()
        redact_output()
        configure_logs(settings.log_level, sys.stdout)
        listener = listening(settings.host, settings.port)
    except SettingsError as error:
        return refuse_to_start(PROGRAM, error.lines)
    if settings.auth_mode == "disabled":
        say(PROGRAM, f"AUTH_MODE=disabled: everybody is the agent {settings.local_agent}")
    # Imports take a second: a mistake in the environment is reported before it.
    from runtime_mcp.main import create_app

    config = uvicorn.Config(
        create_app(settings),
        http=Connection,
        limit_concurrency=MOST_CONNECTIONS,
        log_config=None,
        access_log=False,
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=25,
    )
    host, port = listener.getsockname()[:2]
    log.info("listening", host=host, port=port)
    server = Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else NOT_STARTED


if __name__ == "__main__":
    sys.exit(main())
