"""The service between a real Keycloak and a real OpenFGA: who gets a 200, a 401 and a 403."""

import asyncio

import pytest

from api_process import RunningApi
from conftest import RunningProvider
from identity.keycloak import JOB, Keycloak
from identity.openfga import Store
from identity_peers import PASSWORD, Asking
from reading import read_stream


@pytest.mark.parametrize(
    ("user", "route", "status"),
    [
        ("ada", "POST /llm/complete", 200),
        ("ada", "GET /llm/test", 200),
        ("ada", "GET /llm/models", 200),
        ("vera", "POST /llm/complete", 403),
        ("vera", "POST /llm/stream", 403),
        ("vera", "GET /llm/test", 403),
        ("vera", "GET /llm/models", 200),
        ("otto", "POST /llm/complete", 403),
        ("otto", "POST /llm/stream", 403),
        ("otto", "GET /llm/test", 403),
        ("otto", "GET /llm/models", 403),
        (JOB, "POST /llm/complete", 200),
    ],
)
async def test_a_role_on_the_project_says_which_routes_answer(
    ask: Asking, user: str, route: str, status: int
) -> None:
    code = "permission_denied" if status == 403 else None
    assert await ask(route, ask.token(user)) == (status, code)


async def test_a_developer_gets_a_stream_to_its_end(ask: Asking) -> None:
    async with ask.open("POST /llm/stream", ask.token("ada")) as response:
        events = await read_stream(response)
    assert events[-1].name == "done"


async def test_a_developer_of_one_project_is_nobody_on_another(ask: Asking) -> None:
    refused = 403, "permission_denied"
    assert await ask("POST /llm/complete", ask.token("ada"), project="other") == refused
    assert await ask("GET /llm/models", ask.token("ada"), project="other") == refused


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "no Authorization header"),
        ("id_token", "InvalidClaimError"),
        ("refresh_token", "not signed with RS256"),
        ("of another client", "MissingClaimError"),
    ],
)
async def test_what_is_no_access_token_for_this_service_is_nobody_and_the_log_says_why(
    ask: Asking, keycloak: Keycloak, guarded_api: RunningApi, kind: str, reason: str
) -> None:
    if kind == "none":
        token = None
    elif kind == "of another client":
        token = keycloak.tokens("ada", PASSWORD, client="craft-other")["access_token"]
    else:
        token = keycloak.tokens("ada", PASSWORD)[kind]
    assert await ask("POST /llm/complete", token) == (401, "unauthenticated")
    assert reason in guarded_api.lines("request_refused")[-1]["reason"]


async def test_a_caller_who_is_refused_costs_nothing(
    ask: Asking, provider: RunningProvider
) -> None:
    prompt = "Nobody pays for this"
    assert (await ask("POST /llm/complete", ask.token("otto"), prompt=prompt))[0] == 403
    assert (await ask("POST /llm/complete", None, prompt=prompt))[0] == 401
    assert provider.seen.for_prompt(prompt) == []
    assert (await ask("POST /llm/complete", ask.token("ada"), prompt=prompt))[0] == 200
    assert len(provider.seen.for_prompt(prompt)) == 1


async def test_a_token_is_good_until_it_ends_and_not_after(ask: Asking, keycloak: Keycloak) -> None:
    brief = keycloak.admin("GET", f"/clients/{keycloak.id_of('craft-ui')}")
    mappers = [{key: m[key] for key in m if key != "id"} for m in brief["protocolMappers"]]
    keycloak.admin(
        "POST",
        "/clients",
        {
            "clientId": "brief",
            "publicClient": True,
            "directAccessGrantsEnabled": True,
            "attributes": {"access.token.lifespan": "2"},
            "protocolMappers": mappers,
        },
    )
    token = keycloak.tokens("ada", PASSWORD, client="brief")["access_token"]
    assert await ask("GET /llm/models", token) == (200, None)
    async with asyncio.timeout(30):
        while (said := await ask("GET /llm/models", token))[0] == 200:
            await asyncio.sleep(0.5)
    assert said == (401, "unauthenticated")


async def test_a_role_that_is_taken_away_is_missed_within_seconds(
    ask: Asking, store: Store
) -> None:
    role = (f"user:{ask.subject('otto')}", "operator", "project:taken")
    store.write(*role)
    assert (await ask("POST /llm/complete", ask.token("otto"), project="taken"))[0] == 200
    store.delete(*role)
    async with asyncio.timeout(8):
        while (await ask("POST /llm/complete", ask.token("otto"), project="taken"))[0] == 200:
            await asyncio.sleep(0.5)
    said = await ask("POST /llm/complete", ask.token("otto"), project="taken")
    assert said == (403, "permission_denied")


async def test_an_owner_of_the_organization_may_use_its_projects(ask: Asking, store: Store) -> None:
    store.write("organization:of-otto", "organization", "project:of-otto")
    store.write(f"user:{ask.subject('otto')}", "owner", "organization:of-otto")
    assert (await ask("POST /llm/complete", ask.token("otto"), project="of-otto"))[0] == 200


async def test_a_refusal_is_in_the_log_with_its_reason_and_without_the_token(
    ask: Asking, guarded_api: RunningApi
) -> None:
    vera = ask.token("vera")
    assert (await ask("POST /llm/complete", vera))[0] == 403
    assert "has no can_execute on demo" in guarded_api.lines("request_refused")[-1]["reason"]
    assert vera.rpartition(".")[0] not in guarded_api.said("stdout")
