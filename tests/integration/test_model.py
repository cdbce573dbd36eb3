"""Roles and what they may do, asked of a real OpenFGA."""

import json
import subprocess

import pytest

from identity.openfga import Store, read
from identity.peers import UnavailableError, fetched

PERMISSIONS = ("can_read", "can_write", "can_delete", "can_execute", "can_manage_secrets")
ALL = set(PERMISSIONS)
MAKES = ALL - {"can_delete", "can_manage_secrets"}
ROLES = {
    "owner": ALL,
    "admin": ALL,
    "member": MAKES,
    "developer": MAKES,
    "operator": {"can_read", "can_execute"},
    "viewer": {"can_read"},
}


def allowed(store: Store, user: str, target: str) -> set[str]:
    return {permission for permission in PERMISSIONS if store.allows(user, permission, target)}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_on_a_project_gives_what_the_platform_says_and_nothing_elsewhere(
    store: Store, role: str
) -> None:
    store.write(f"user:{role}", role, "project:table")
    assert allowed(store, f"user:{role}", "project:table") == ROLES[role]
    assert allowed(store, f"user:{role}", "project:demo") == set()


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_a_role_on_an_organization_gives_the_same_there(store: Store, role: str) -> None:
    store.write(f"user:of-org-{role}", role, "organization:tables")
    assert allowed(store, f"user:of-org-{role}", "organization:tables") == ROLES[role]


@pytest.mark.parametrize(("role", "inherited"), [("owner", ALL), ("admin", ALL), ("member", set())])
def test_owners_and_admins_of_an_organization_are_those_of_its_projects_and_members_are_not(
    store: Store, role: str, inherited: set[str]
) -> None:
    store.write("organization:above", "organization", "project:below")
    store.write(f"user:above-{role}", role, "organization:above")
    assert allowed(store, f"user:above-{role}", "project:below") == inherited
    assert allowed(store, f"user:above-{role}", "project:demo") == set()


def test_a_tuple_that_is_taken_away_takes_its_rights_away(store: Store) -> None:
    role = ("user:leaves", "developer", "project:demo")
    store.write(*role)
    assert store.allows("user:leaves", "can_execute", "project:demo")
    store.delete(*role)
    assert allowed(store, "user:leaves", "project:demo") == set()


def test_loading_again_changes_nothing(store: Store) -> None:
    again = Store.loaded(store.url, store.token)
    assert again == store
    assert len(store.ask("GET", "/authorization-models")["authorization_models"]) == 1


def test_the_model_that_the_api_takes_is_the_one_that_people_read() -> None:
    try:
        transformer = fetched("model_to_json")
    except UnavailableError as error:
        pytest.skip(str(error))
    done = subprocess.run(
        [transformer], input=read("model.fga"), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(read("model.json"))
