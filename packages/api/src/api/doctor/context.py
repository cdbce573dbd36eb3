"""What checks are given: where the doctor was called, the settings, and HTTP as it speaks it."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from api.doctor.findings import Ended, Evidence, Finding, skipped
from api.gateway.error_table import NOT_JSON
from api.gateway.peer import Gateway
from api.llm.call import alias_of
from api.settings import Settings
from chassis.http.client_body import MAX_BYTES
from chassis.project_id import ProjectId
from chassis.redaction import redacted

ANSWER_SECONDS = 4.0
SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command that mends is given: in this namespace, or, where it is None, on a laptop."""

    namespace: str | None
    solution: str

    def mend(self, laptop: str, *, pod: str) -> str:
        """One of both; in a pod's, `kubectl` gets the namespace, and `{it}` is the deployment."""
        if self.namespace is None:
            return laptop
        pod = pod.replace("kubectl", f"kubectl -n {self.namespace}")
        return pod.replace("{it}", f"deployment/{self.solution}-api")

    def set_variable(self, name: str, to: str) -> str:
        return self.mend(f"export {name}={to}", pod=f"set {name} to {to} in the chart's api.env")


@dataclass(frozen=True, slots=True)
class Answer(Evidence):
    """What came back; its `json` is an object, an empty one for anything else."""

    status: int
    content_type: str
    body: bytes
    json: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """`found` is by the checks that are over; `skews` are seconds that a peer's clock is ahead."""

    settings: Settings
    place: Place
    http: httpx.AsyncClient
    gateway: Gateway
    project: ProjectId
    spend: bool
    found: dict[str, Finding] = field(default_factory=dict)
    skews: dict[str, float] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The default one and its fallbacks, as the gateway names them."""
        names = (self.settings.llm_default_model, *self.settings.llm_fallback_models)
        return [alias_of(name) for name in names]

    @property
    def is_local(self) -> bool:
        """Whether the default model goes out without the gateway."""
        if self.settings.llm_allow_local_models:  # removable: litellm
            return self.models[0].startswith("ollama")  # removable: litellm
        return False

    def need(self, *names: str) -> None:
        """Raises Ended where one of these checks failed, or was skipped because another one did."""
        for name in names:
            if self.found[name].verdict == "failed":
                raise skipped(f"because {name} failed")
            if self.found[name].what.startswith("because "):
                raise skipped(self.found[name].what)

    async def get(
        self, peer: str, url: str, so: str = "", mend: str = "", **request: Any
    ) -> Answer:
        """
        Args:
            so: what it means that the peer does not answer; Ended is raised then.
            mend: what brings it back; where nothing does, it is unknown what is wrong.
        """
        body, json = bytearray(), {}
        stream = self.http.stream("GET", url, **request)
        try:
            async with asyncio.timeout(ANSWER_SECONDS), stream as response:
                with suppress(ValueError):
                    date = parsedate_to_datetime(response.headers.get("Date", ""))
                    # Its seconds are whole ones, cut off: the middle of one is the best guess.
                    self.skews[peer.removeprefix("The ")] = date.timestamp() + 0.5 - time.time()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_BYTES:
                        break
        except (httpx.HTTPError, TimeoutError) as error:
            what, reason = why_no_answer(error, urlsplit(url).netloc)
            known, what = Evidence(f"GET {url}: {reason}"), f"{peer} {what}{so}."
            raise (known.ended(what, mend) if mend else Ended(known.unknown(what))) from None
        with suppress(*NOT_JSON):
            json = msgspec.json.decode(body, type=dict[str, Any])
        text = redacted(" ".join(body[:1000].decode(errors="replace").split()))
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        how = f"GET {url}: {response.status_code} {kind}: {shown}"
        return Answer(how, response.status_code, kind, bytes(body), json)


def why_no_answer(error: BaseException, where: str) -> tuple[str, str]:
    """In a few words what is wrong, and what the network said: the cause of all causes."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"does not answer within {ANSWER_SECONDS:g} s", "no answer in time"
    what = "does not speak HTTP there, or breaks the connection off"
    if isinstance(error, httpx.ConnectError):
        what = f"cannot be connected to at {where}"
    causes = [error]
    while below := causes[-1].__cause__ or causes[-1].__context__:
        causes += below.exceptions[:1] if isinstance(below, ExceptionGroup) else [below]
    if isinstance(causes[-1], ConnectionError):
        return what, os.strerror(causes[-1].errno or 0)
    return what, f"{type(causes[-1]).__name__}: {causes[-1]}"[:300]
