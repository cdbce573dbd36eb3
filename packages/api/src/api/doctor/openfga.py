"""OpenFGA: the store is there, and its model knows a project and who may use it."""

from typing import Any

from api.doctor.findings import Check, Finding, failed, ok, skipped, unknown
from api.doctor.http import Answer, Http, NoAnswer
from api.settings import Settings

OFF = "OPENFGA_API_URL is not set: nobody is asked whether a caller may use a project"
RELATIONS = ("can_execute", "can_read")


class OpenFgaChecks:
    def __init__(self, settings: Settings, http: Http) -> None:
        self._settings = settings
        self._http = http

    def checks(self) -> list[Check]:
        return [
            Check("openfga_store", self.store),
            Check("openfga_model", self.model, ["openfga_store"]),
        ]

    async def _get(self, path: str, **query: str) -> Answer:
        token = self._settings.openfga_api_token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        url = f"{str(self._settings.openfga_api_url).rstrip('/')}/stores/"
        return await self._http.get(
            "OpenFGA", f"{url}{self._settings.openfga_store_id}{path}", headers, **query
        )

    async def store(self) -> Finding:
        if self._settings.openfga_api_url is None:
            return skipped(OFF)
        try:
            answer = await self._get("")
        except NoAnswer as nothing:
            return failed(
                f"OpenFGA {nothing.what}, and nobody is let in.",
                nothing.how,
                "bring OpenFGA back, or look at OPENFGA_API_URL",
            )
        if answer.status in (401, 403):
            return failed(
                "OpenFGA refuses this service.", answer.how, "set OPENFGA_API_TOKEN to its key"
            )
        if answer.status in (400, 404):
            return failed(
                f"OpenFGA has no store {self._settings.openfga_store_id}.",
                answer.how,
                "set OPENFGA_STORE_ID to the store with the platform's model: GET /stores lists "
                "them, or fga store list",
            )
        if answer.status != 200:
            return failed("OpenFGA is not well.", answer.how, "look at OpenFGA's log")
        return ok("OpenFGA has the store.", answer.how)

    async def model(self) -> Finding:
        if self._settings.openfga_api_url is None:
            return skipped(OFF)
        try:
            answer = await self._get("/authorization-models", page_size="1")
        except NoAnswer as nothing:
            return unknown(f"OpenFGA {nothing.what}.", nothing.how)
        if answer.status != 200:
            return unknown("OpenFGA does not show the store's model.", answer.how)
        relations = relations_of_project(answer.json())
        how = f"GET …/authorization-models: project has {', '.join(sorted(relations)) or 'nothing'}"
        if missing := [name for name in RELATIONS if name not in relations]:
            return failed(
                f"The store's model has no {' and no '.join(missing)} on the type project.",
                how,
                "write the platform's model to the store, or set OPENFGA_STORE_ID to the one that "
                "has it",
            )
        return ok("The model knows who can_execute and who can_read a project.", how)


def relations_of_project(models: Any) -> set[str]:
    """The relations of `project` in the newest model, which OpenFGA lists first."""
    for model in models.get("authorization_models") or []:
        for kind in model.get("type_definitions") or []:
            if kind.get("type") == "project":
                return set(kind.get("relations") or {})
        break
    return set()
