"""Langfuse: is it there, and whose project do our keys open."""

from aiohttp import encode_basic_auth

from api.doctor.findings import Check, Finding, failed, ok, skipped, unknown
from api.doctor.http import Http, NoAnswer
from api.doctor.place import Place
from api.settings import Settings


class LangfuseChecks:
    def __init__(self, settings: Settings, http: Http, place: Place) -> None:
        self._settings = settings
        self._http = http
        self._place = place

    def checks(self) -> list[Check]:
        return [
            Check("langfuse_reachable", self.reachable),
            Check("langfuse_keys", self.keys, ["langfuse_reachable"]),
        ]

    @property
    def _off(self) -> bool:
        return self._settings.langfuse_host is None or bool(self._settings.missing_for_langfuse())

    async def reachable(self) -> Finding:
        if self._off:
            return skipped("not set: nothing is traced")
        try:
            answer = await self._http.get(
                "Langfuse", f"{self._settings.langfuse_host}/api/public/health"
            )
        except NoAnswer as nothing:
            return failed(
                f"Langfuse {nothing.what}; calls go on, their traces are lost.",
                nothing.how,
                f"bring Langfuse back, or look at LANGFUSE_HOST ({self._settings.langfuse_host})",
            )
        if answer.status != 200:
            return failed(
                "What answers at LANGFUSE_HOST is no Langfuse that is well.",
                answer.how,
                f"look at LANGFUSE_HOST ({self._settings.langfuse_host}) and at Langfuse's log",
            )
        return ok("Langfuse is there.", answer.how)

    async def keys(self) -> Finding:
        public, secret = self._settings.langfuse_public_key, self._settings.langfuse_secret_key
        if self._off or public is None or secret is None:
            return skipped("not set: nothing is traced")
        auth = encode_basic_auth(public.get_secret_value(), secret.get_secret_value())
        url = f"{self._settings.langfuse_host}/api/public/projects"
        try:
            answer = await self._http.get("Langfuse", url, {"Authorization": auth})
        except NoAnswer as nothing:
            return failed(f"Langfuse {nothing.what}.", nothing.how, "look at Langfuse's log")
        if answer.status in (401, 403):
            return failed(
                "Langfuse refuses the pair of keys.",
                answer.how,
                self._place.renew_secret("LANGFUSE_SECRET_KEY", "langfuse-secret-key"),
            )
        projects = answer.json().get("data")
        if answer.status != 200 or not isinstance(projects, list) or not projects:
            return unknown("Langfuse does not say whose keys these are.", answer.how)
        names = ", ".join(str(project.get("name")) for project in projects)
        return ok(f"The keys are those of Langfuse's project {names}.", answer.how)
