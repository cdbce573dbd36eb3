"""HTTP as the doctor speaks it: what was asked, what came back, or why nothing did."""

import errno
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from api.gateway.error_table import NOT_JSON
from chassis.http.client_body import BodyError, DeadlineOver, loop_time, read_whole

ANSWER_SECONDS = 4.0
SHOWN_CHARACTERS = 120


class NoAnswer(Exception):
    """Nothing came back.

    Args:
        what: goes on after the name of who was asked: `is not there: …`.
        how: what was asked, and what the network said.
    """

    def __init__(self, what: str, how: str) -> None:
        super().__init__(what)
        self.what = what
        self.how = how


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is."""

    url: str
    status: int
    content_type: str
    body: bytes

    @property
    def how(self) -> str:
        text = " ".join(self.body[:1000].decode(errors="replace").split())
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        return f"GET {self.url}: {self.status} {self.content_type}: {shown}"

    def json(self) -> Any:
        """The body's object; an empty one for anything else."""
        try:
            decoded = msgspec.json.decode(self.body)
        except NOT_JSON:
            return {}
        return decoded if isinstance(decoded, dict) else {}


class Http:
    """One client for all checks, which notes how far each peer's clock is from ours.

    Attributes:
        skews: seconds that a peer's clock is ahead of ours, by its name.
    """

    def __init__(self) -> None:
        self.skews: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(ANSWER_SECONDS), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(
        self, peer: str, url: str, headers: Mapping[str, str] | None = None, **query: str
    ) -> Answer:
        """
        Args:
            peer: its name in `skews`.

        Raises:
            NoAnswer: nothing came, or not in time.
        """
        asked = f"GET {url}"
        began = time.time()
        try:
            async with self._session.get(
                url, headers=headers, params=query, allow_redirects=False
            ) as response:
                self._note_clock(peer, response.headers.get("Date"), (began + time.time()) / 2)
                body = await read_whole(response, loop_time() + ANSWER_SECONDS)
                return Answer(url, response.status, response.content_type, body)
        except (aiohttp.ClientError, BodyError, OSError) as error:
            what, reason = why_no_answer(error)
            raise NoAnswer(what, f"{asked}: {reason}") from None

    def _note_clock(self, peer: str, date: str | None, now: float) -> None:
        try:
            # A date has whole seconds, cut off: the middle of one is the best guess.
            skew = parsedate_to_datetime(date or "").timestamp() + 0.5 - now
        except ValueError:
            return
        self.skews[peer] = skew


def why_no_answer(error: Exception) -> tuple[str, str]:
    """In a few words what is wrong, and what the network said."""
    reason = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"has a name that cannot be resolved: {error.host}", reason
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "cannot be trusted, or does not speak TLS", reason
    if isinstance(error, aiohttp.ClientConnectorError):
        said = os.strerror(error.os_error.errno or errno.ECONNABORTED)
        return f"cannot be connected to at {error.host}:{error.port}", said
    if isinstance(error, TimeoutError | DeadlineOver):
        return f"does not answer within {ANSWER_SECONDS:g} s", "no answer in time"
    if isinstance(error, aiohttp.ClientResponseError):
        return "does not speak HTTP there", reason
    return "breaks the connection off", reason
