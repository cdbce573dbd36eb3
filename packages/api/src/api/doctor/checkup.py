"""The whole of it: every check, in the order in which one failing makes the next pointless."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from api.doctor import (
    call,
    gateway,
    langfuse,  # removable: langfuse
    openfga,  # removable: openfga
    redis,  # removable: redis
    surroundings,
)
from api.doctor.context import Context, Place
from api.doctor.findings import Checks, Finding
from api.gateway.peer import Gateway
from api.settings import Settings, load_settings, namespace_of_pod, odd_values
from chassis.project_id import ProjectId
from chassis.redaction import keep_out, keep_out_all
from chassis.settings import SettingsError

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


@dataclass(frozen=True, slots=True)
class Report:
    """`findings` has several `variables` where they are senseless, and nothing else then."""

    place: str
    findings: Sequence[tuple[str, Finding]]
    calls: int = 0
    is_senseless: bool = False

    @property
    def failed(self) -> list[tuple[str, Finding]]:
        """The root cause first."""
        return [(name, found) for name, found in self.findings if found.verdict == "failed"]

    @property
    def exit_code(self) -> int:
        return 2 if self.is_senseless else int(bool(self.failed))


async def check_up(project: ProjectId, *, spend: bool) -> Report:
    """What is well and what is not, from here.

    Args:
        project: on whose account the one call is made.
        spend: whether it is made.
    """
    odd, namespace = odd_values(), namespace_of_pod()
    where = "laptop" if namespace is None else "pod"
    try:
        settings = load_settings()
    except SettingsError as error:
        place = Place(namespace, SOLUTION)
        found = [("variables", surroundings.refused(line, odd, place)) for line in error.lines]
        return Report(where, found, is_senseless=True)
    place, key = Place(namespace, settings.solution), settings.gateway_key()
    keep_out_all(settings)
    keep_out(key.current())
    variables = surroundings.sensible(odd, place)
    for line in settings.langfuse_notes():  # removable: langfuse
        variables = surroundings.refused(line, odd, place)  # removable: langfuse
    # As the service does: the system's certificates, and no proxy of the environment.
    client = httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False)
    async with client, Gateway(settings.llm_gateway_url, key) as peer:
        at = Context(settings, place, client, peer, project, spend)
        await asyncio.gather(*(made(at, row) for row in ROWS))
        await made(at, LAST)
    names = [name for row in [*ROWS, LAST] for checks in row for name in checks.names]
    calls = int(at.found["call"].verdict != "skipped")
    findings = [("variables", variables), *((name, at.found[name]) for name in names)]
    return Report(where, findings, calls)


async def made(at: Context, row: Sequence[Checks]) -> None:
    for checks in row:
        await checks.make(at, at.found)
