"""A finding and the evidence for it; what checks are given; a row of them, made until one fails."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx
import msgspec

from api.gateway.error_table import NOT_JSON
from api.gateway.peer import Gateway
from api.llm.call import alias_of
from api.settings import Settings
from chassis.http.bounded_get import NoAnswer, bounded_get
from chassis.project_id import ProjectId
from chassis.redaction import redacted

ANSWER_SECONDS = 4.0
CHECK_SECONDS = 11.0
SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is wrong, or well; `how` it is known; the command or setting to `mend` it."""

    verdict: Literal["ok", "failed", "unknown", "skipped"]
    what: str
    how: str | None = None
    mend: str | None = None


class Ended(Exception):
    """Raised with a finding, after which the checks that are left make no sense."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was asked and what came back."""

    how: str

    def ok(self, what: str) -> Finding:
        return Finding("ok", what, self.how)

    def unknown(self, what: str, mend: str | None = None) -> Finding:
        return Finding("unknown", what, self.how, mend)

    def failed(self, what: str, mend: str) -> Finding:
        return Finding("failed", what, self.how, mend)

    def ended(self, what: str, mend: str) -> Ended:
        return Ended(self.failed(what, mend))


def skipped(reason: str) -> Ended:
    return Ended(Finding("skipped", reason))


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

    async def get(self, peer: str, url: str, so: str = "", mend: str = "", **more: Any) -> Answer:
        """What the peer answers; where it does not, Ended is raised.

        Args:
            so: what that means.
            mend: what brings it back; where nothing does, it is unknown what is wrong.
        """
        try:
            answer = await bounded_get(self.http, url, ANSWER_SECONDS, **more)
        except NoAnswer as nothing:
            known, what = Evidence(f"GET {url}: {nothing.reason}"), f"{peer} {nothing.what}{so}."
            raise (known.ended(what, mend) if mend else Ended(known.unknown(what))) from None
        with suppress(ValueError):
            # The date has whole seconds, cut off: the middle of one is the best guess.
            ahead = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp() + 0.5
            self.skews[peer.removeprefix("The ")] = ahead - time.time()
        json: dict[str, Any] = {}
        with suppress(*NOT_JSON):
            json = msgspec.json.decode(answer.body, type=dict[str, Any])
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        text = redacted(" ".join(answer.body[:1000].decode(errors="replace").split()))
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        how = f"GET {url}: {answer.status} {kind}: {shown}"
        return Answer(how, answer.status, kind, answer.body, json)


@dataclass(frozen=True, slots=True)
class Checks:
    """A row: `ask` yields a finding for each name, or raises the last one, and the rest is skipped.

    So the first failure is the cause of the others.
    """

    names: Sequence[str]
    ask: Callable[[Context], AsyncGenerator[Finding]]

    async def make(self, at: Context) -> None:
        """Adds a finding for each name, whatever happens."""
        asked, end, found = self.ask(at), None, at.found
        for name in self.names:
            try:
                if end is not None:
                    raise end
                async with asyncio.timeout(CHECK_SECONDS):
                    found[name] = await anext(asked)
            except Ended as error:
                found[name] = error.args[0]
                is_skipped = found[name].verdict == "skipped"
                end = error if is_skipped else skipped(f"because {name} failed")
            except Exception as error:  # noqa: BLE001 -- a doctor with a defect has other findings
                known = Evidence(f"{type(error).__name__}: {error}")
                found[name] = known.unknown("This could not be found out.")
                end = skipped(f"because {name} could not be found out")
