"""`python -m api`: reads the environment, says in one line what is wrong with it, and serves."""

import errno
import gc
import sys
from collections.abc import Sequence

import uvicorn

from api.admission import Admission
from api.logs import configure_logs, log
from api.main import create_app
from api.server import Server, listen
from api.settings import SettingsError, load_settings

SENSELESS_ENVIRONMENT = 2


def main() -> int:
    """Serves until a signal; returns the exit code."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return refuse(error.lines)
    configure_logs(settings.log_level)
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        name = "PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "HOST"
        where = f"cannot listen on {settings.host}:{settings.port}"
        return refuse([f"{name}: {where} ({error.strerror}); set {name} to another"])
    admission = Admission(settings.llm_max_in_flight)
    if settings.auth_mode == "disabled":
        say("AUTH_MODE=disabled: anybody may call, for any project")
    config = uvicorn.Config(
        create_app(settings, admission),
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


def refuse(lines: Sequence[str]) -> int:
    for line in lines:
        say(line)
    return SENSELESS_ENVIRONMENT


def say(line: str) -> None:
    """To the person who starts the process, whatever the log's level."""
    sys.stderr.write(f"llm-access: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
