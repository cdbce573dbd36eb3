"""What the run's processes, servers and answers said, kept for the one look through at its end.

What a provider or a gateway was shown as its own key is not said here.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marked import RUN

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
FOLDER = Path(__file__).parents[1] / ".run" / f"said-{RUN[:8]}-{WORKER}"


def heard(place: str, said: Any) -> None:
    """Adds this to what was said there."""
    data = said if isinstance(said, bytes) else str(said).encode(errors="replace")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / place).open("ab") as file:
        file.write(data + b"\n")


def said(place: str) -> str:
    """All that was said there so far."""
    file = FOLDER / place
    return file.read_text() if file.exists() else ""


def keep(*files: Path) -> None:
    """Keeps what a process left behind."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, FOLDER / f"{len(list(FOLDER.iterdir()))}-{file.name}")


class Log:
    """A text stream for the log of the APIs that run beside the tests."""

    def write(self, text: str) -> int:
        heard("api.log", text.removesuffix("\n"))
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


class Overheard:
    """An ASGI application, with an ear on all that it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                heard("answers", f"{scope['path']} {message['status']} {message['headers']}")
            elif message.get("body"):
                heard("answers", message["body"])
            await send(message)

        await self._app(scope, receive, send_and_keep)
