"""A finding, the evidence by which it is known, and a row of checks, made until one fails."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

CHECK_SECONDS = 11.0


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
class Checks:
    """A row: `ask` yields a finding for each name, or raises the last one, and the rest is skipped.

    So the first failure is the cause of the others.
    """

    names: Sequence[str]
    ask: Callable[[Any], AsyncGenerator[Finding]]

    async def make(self, at: Any, found: dict[str, Finding]) -> None:
        """Adds a finding for each name, whatever happens."""
        asked, end = self.ask(at), None
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
