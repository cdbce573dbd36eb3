"""OpenFGA: the store is there, and its model knows a project and who may use it."""

from collections.abc import AsyncGenerator
from typing import Any

from api.doctor.checks import Checks, Context, Evidence, Finding, skipped

OFF = "OPENFGA_API_URL is not set: nobody is asked whether a caller may use a project"
SO = ", and nobody is let in"
BACK = "bring OpenFGA back, or look at OPENFGA_API_URL and at OpenFGA's log"
STORE = "set OPENFGA_STORE_ID to the store with the platform's model, which GET /stores lists"
RELATIONS = ("can_execute", "can_read")


async def checks(at: Context) -> AsyncGenerator[Finding]:
    root, store_id = at.settings.openfga_api_url, at.settings.openfga_store_id
    if root is None:
        raise skipped(OFF)
    token, url = at.settings.openfga_api_token, f"{root.rstrip('/')}/stores/{store_id}"
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    answer = await at.get("OpenFGA", url, SO, BACK, headers=headers)
    if answer.status in (401, 403):
        raise answer.ended("OpenFGA refuses this service.", "set OPENFGA_API_TOKEN to its key")
    if answer.status in (400, 404):
        raise answer.ended(f"OpenFGA has no store {store_id}.", STORE)
    if answer.status != 200:
        raise answer.ended("OpenFGA is not well.", BACK)
    yield answer.ok("OpenFGA has the store.")

    newest = f"{url}/authorization-models?page_size=1"
    answer = await at.get("OpenFGA", newest, headers=headers)
    models: list[dict[str, Any]] = answer.json.get("authorization_models") or [{}]
    types = models[0].get("type_definitions") or []
    relations = {
        name
        for kind in types
        if kind.get("type") == "project"
        for name in kind.get("relations") or ()
    }
    has = ", ".join(sorted(relations)) or "nothing"
    known = Evidence(f"GET …/authorization-models: {answer.status}: project has {has}")
    if answer.status != 200:
        yield answer.unknown("OpenFGA does not show the store's model.")
    elif missing := " and no ".join(name for name in RELATIONS if name not in relations):
        mend = f"write the platform's model to the store, or {STORE}"
        yield known.failed(f"The store's model has no {missing} on the type project.", mend)
    else:
        yield known.ok("The model knows who can_execute and who can_read a project.")


CHECKS = Checks(["openfga_store", "openfga_model"], checks)
