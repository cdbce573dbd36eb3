"""What the files in `identity/` say together, without any server."""

import json
import os
import subprocess

from identity.keycloak import USERS
from identity.load import exports
from identity.openfga import HERE, read


def test_each_tuple_is_about_a_user_of_the_realm_and_ada_vera_and_otto_differ() -> None:
    realm = json.loads(read("realm.json"))
    names = {f"user:{user['id']}": user["username"] for user in realm["users"]}
    tuples = json.loads(read("tuples.json"))
    roles = [
        (names[key["user"]], key["relation"], key["object"])
        for key in tuples
        if key["user"].startswith("user:")
    ]
    assert roles == [
        ("ada", "developer", "project:demo"),
        ("vera", "viewer", "project:demo"),
        ("service-account-craft-job", "operator", "project:demo"),
    ]
    assert set(USERS) <= set(names.values())


def test_no_password_and_no_secret_is_in_the_realms_file() -> None:
    text = (HERE / "realm.json").read_text()
    assert [word for word in ('"credentials"', '"secret"', "${") if word in text] == []


def test_a_password_with_anything_in_it_can_be_pasted() -> None:
    password = "it's $HOME; `a`"
    shell = exports({"DEMO_PASSWORD": password}) + '\nprintf %s "$DEMO_PASSWORD"'
    said = subprocess.check_output(["/bin/sh", "-c", shell], env={"PATH": os.environ["PATH"]})
    assert said.decode() == password
