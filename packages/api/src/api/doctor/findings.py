"""A check, what it found out, and how checks that need one another are made: all at once, bounded.

What needs a check that failed is skipped, so that the first failure is the cause of the others.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

CHECK_SECONDS = 5.0
TELLING_CHARACTERS = 10

Verdict = Literal["ok", "failed", "unknown", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Attributes:
        what: one sentence: what is wrong, or what is well.
        how: what was asked and what came back; no secret.
        mend: the command or the setting that mends it.
        is_consequence: skipped for the sake of a check that failed.
    """

    verdict: Verdict
    what: str
    how: str = ""
    mend: str = ""
    is_consequence: bool = False


def ok(what: str, how: str = "") -> Finding:
    return Finding("ok", what, how)


def failed(what: str, how: str, mend: str) -> Finding:
    return Finding("failed", what, how, mend)


def unknown(what: str, how: str = "", mend: str = "") -> Finding:
    return Finding("unknown", what, how, mend)


def skipped(reason: str) -> Finding:
    return Finding("skipped", reason)


@dataclass(frozen=True, slots=True)
class Check:
    """
    Attributes:
        needs: checks that must not have failed before this one is made.
        after: checks that must be over, whatever came of them.
        seconds: for the check itself, without those that it waits for.
    """

    name: str
    ask: Callable[[], Awaitable[Finding]]
    needs: Sequence[str] = ()
    after: Sequence[str] = ()
    seconds: float = CHECK_SECONDS


async def findings_of(checks: Sequence[Check], secrets: Sequence[str]) -> dict[str, Finding]:
    """What each check found out, in the order given; whatever happens, there is a finding.

    Args:
        checks: each after those that it needs or waits for.
        secrets: what no finding may show.
    """
    tasks: dict[str, asyncio.Task[Finding]] = {}
    async with asyncio.TaskGroup() as group:
        for check in checks:
            waits_for = {name: tasks[name] for name in (*check.needs, *check.after)}
            tasks[check.name] = group.create_task(made(check, waits_for))
    return {name: without(secrets, task.result()) for name, task in tasks.items()}


async def made(check: Check, waits_for: dict[str, asyncio.Task[Finding]]) -> Finding:
    for name, task in waits_for.items():
        before = await task
        if name in check.needs and (before.verdict == "failed" or before.is_consequence):
            cause = before.what if before.is_consequence else f"because {name} failed"
            return replace(skipped(cause), is_consequence=True)
    try:
        async with asyncio.timeout(check.seconds):
            return await check.ask()
    except TimeoutError:
        return unknown("This could not be found out in time.", f"no result in {check.seconds:g} s")
    except Exception as error:  # noqa: BLE001 -- a doctor with a defect still has other findings
        return unknown("This check itself has a defect.", f"{type(error).__name__}: {error}")


def without(secrets: Sequence[str], finding: Finding) -> Finding:
    what, how, mend = finding.what, finding.how, finding.mend
    for secret in secrets:
        # What was cut short may hold the first part of a secret only.
        pattern = re.compile(re.escape(secret[:TELLING_CHARACTERS]) + r"\S*")
        what, how, mend = (pattern.sub("…", text) for text in (what, how, mend))
    return replace(finding, what=what, how=how, mend=mend)
