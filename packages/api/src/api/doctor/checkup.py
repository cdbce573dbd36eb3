"""The whole of it: every check, in the order in which one failing makes the next pointless."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from api.doctor import (
    call,
    gateway,
    langfuse,  # removable: langfuse
    openfga,  # removable: openfga
    redis,  # removable: redis
    surroundings,
)
from api.doctor.checks import Checks, Context, Finding, Place
from api.gateway.peer import Gateway
from api.settings import Settings, load_settings, namespace_of_pod, odd_values
from chassis.http.bounded_get import http_client
from chassis.project_id import ProjectId
from chassis.redaction import keep_out, keep_out_all
from chassis.settings import SettingsError

SCHEMA_VERSION = 1
SOLUTION = str(Settings.model_fields["solution"].default)
ROWS = [
    [gateway.CHECKS, gateway.OF_SETTINGS, call.CHECKS],
    [langfuse.CHECKS],  # removable: langfuse
    [surroundings.OF_REALM],
    [openfga.CHECKS],  # removable: openfga
    [redis.CHECKS],  # removable: redis
]
"""Made at once, but for what is in a list of its own."""
LAST = [surroundings.CHECKS]


async def check_up(project: ProjectId, *, spend: bool) -> dict[str, Any]:
    """What is well and what is not, from here.

    Args:
        project: on whose account the one call is made.
        spend: whether it is made.
    """
    odd, namespace = odd_values(), namespace_of_pod()
    try:
        settings = load_settings()
    except SettingsError as error:
        place = Place(namespace, SOLUTION)
        found = [("variables", surroundings.refused(line, odd, place)) for line in error.lines]
        return report_of(found, place, failure=2)
    place, key = Place(namespace, settings.solution), settings.gateway_key()
    keep_out_all(settings)
    keep_out(key.current())
    variables = surroundings.sensible(odd, place)
    for line in settings.langfuse_notes():  # removable: langfuse
        variables = surroundings.refused(line, odd, place)  # removable: langfuse
    async with http_client() as client, Gateway(settings.llm_gateway_url, key) as peer:
        at = Context(settings, place, client, peer, project, spend)
        await asyncio.gather(*(made(at, row) for row in ROWS))
        await made(at, LAST)
    names = [name for row in [*ROWS, LAST] for checks in row for name in checks.names]
    calls = int(at.found["call"].verdict != "skipped")
    findings = [("variables", variables), *((name, at.found[name]) for name in names)]
    return report_of(findings, place, calls)


def report_of(
    findings: Sequence[tuple[str, Finding]], place: Place, calls: int = 0, *, failure: int = 1
) -> dict[str, Any]:
    """As a program gets it; a field that is taken away or changes its sense is a version."""
    failed = [name for name, found in findings if found.verdict == "failed"]
    return {
        "version": SCHEMA_VERSION,
        "ok": not failed,
        "exit_code": failure if failed else 0,
        "cause": failed[0] if failed else None,
        "place": "laptop" if place.namespace is None else "pod",
        "calls": calls,
        "findings": [{"check": name} | asdict(found) for name, found in findings],
    }


async def made(at: Context, row: Sequence[Checks]) -> None:
    for checks in row:
        await checks.make(at)
