"""The whole of it: every check, in the order in which one failing makes the next pointless."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from api.doctor.call import CallChecks
from api.doctor.findings import Check, Finding, findings_of
from api.doctor.gateway import GatewayChecks
from api.doctor.http import Http
from api.doctor.langfuse import LangfuseChecks
from api.doctor.models import ModelChecks
from api.doctor.openfga import OpenFgaChecks
from api.doctor.place import Place
from api.doctor.realm import RealmChecks
from api.doctor.redis import RedisChecks
from api.doctor.surroundings import SurroundingsChecks
from api.doctor.variables import senseless, sensible
from api.gateway.peer import Gateway
from api.settings import Settings, load_settings, namespace_of_pod, odd_values
from chassis.project_id import ProjectId
from chassis.settings import SettingsError

SOLUTION = str(Settings.model_fields["solution"].default)
CLOCKS = ["gateway_reachable", "langfuse_reachable", "realm_keys", "openfga_store"]


@dataclass(frozen=True, slots=True)
class Report:
    """
    Attributes:
        findings: by the check, in their order; `variables` may have several.
        calls: how many calls to a model were made, 0 or 1.
    """

    place: Place
    findings: Sequence[tuple[str, Finding]]
    calls: int = 0
    has_senseless_variables: bool = False

    @property
    def failed(self) -> list[tuple[str, Finding]]:
        """The root cause first."""
        return [(name, found) for name, found in self.findings if found.verdict == "failed"]

    @property
    def exit_code(self) -> int:
        return 2 if self.has_senseless_variables else int(bool(self.failed))


async def check_up(project: ProjectId, *, spend: bool) -> Report:
    """What is well and what is not, from here.

    Args:
        project: on whose account the one call is made.
        spend: whether it is made.
    """
    odd = odd_values()
    namespace = namespace_of_pod()
    try:
        settings = load_settings()
    except SettingsError as error:
        place = Place(namespace, SOLUTION)
        found = [("variables", each) for each in senseless(error.lines, odd, place)]
        return Report(place, found, has_senseless_variables=True)
    place = Place(namespace, settings.solution)
    variables = sensible(odd, settings.missing_for_langfuse(), place)
    gateway = Gateway(settings.llm_gateway_url, settings.gateway_key())
    async with Http() as http, gateway:
        of_gateway = GatewayChecks(http, gateway, place)
        of_models = ModelChecks(settings, of_gateway, place)
        call = CallChecks(settings, gateway, of_models, place, project, spend=spend)
        checks: list[Check] = [
            *of_gateway.checks(),
            *of_models.checks(),
            *call.checks(),
            *LangfuseChecks(settings, http, place).checks(),
            *RealmChecks(settings, http, place).checks(),
            *OpenFgaChecks(settings, http).checks(),
            *RedisChecks(settings).checks(),
            *SurroundingsChecks(settings, http, place, CLOCKS).checks(),
        ]
        findings = await findings_of(checks, secrets_of(settings))
    return Report(place, [("variables", variables), *findings.items()], call.calls)


def secrets_of(settings: Settings) -> list[str]:
    """What must not be shown, whoever says it back to us."""
    redis = settings.redis_url.get_secret_value() if settings.redis_url else ""
    kept = (
        settings.langfuse_public_key,
        settings.langfuse_secret_key,
        settings.openfga_api_token,
    )
    values = [value.get_secret_value() for value in kept if value is not None]
    values += [settings.gateway_key().current(), urlsplit(redis).password or ""]
    return [value for value in values if value]
