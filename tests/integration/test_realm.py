"""The tokens of the realm, as a real Keycloak gives them out."""

import pytest

from identity.keycloak import USERS, Keycloak
from identity_peers import ISSUED_FOR, PASSWORD, parts_of


@pytest.mark.parametrize("user", USERS)
def test_an_access_token_is_signed_with_rs256_for_this_api_and_lives_five_minutes(
    keycloak: Keycloak, user: str
) -> None:
    header, claims = parts_of(keycloak.tokens(user, PASSWORD)["access_token"])
    assert (header["alg"], claims["typ"]) == ("RS256", "Bearer")
    assert (claims["iss"], claims["aud"]) == (keycloak.issuer, ISSUED_FOR)
    assert (claims["preferred_username"], claims["org_id"]) == (user, "acme")
    assert claims["exp"] - claims["iat"] == 300
    assert "project_id" not in claims


def test_a_job_gets_the_same_claims_without_a_person(keycloak: Keycloak) -> None:
    header, claims = parts_of(keycloak.job_tokens()["access_token"])
    assert (header["alg"], claims["typ"]) == ("RS256", "Bearer")
    assert (claims["aud"], claims["org_id"]) == (ISSUED_FOR, "acme")


def test_an_id_token_is_for_the_client_and_not_for_this_api(keycloak: Keycloak) -> None:
    header, claims = parts_of(keycloak.tokens("ada", PASSWORD)["id_token"])
    assert (header["alg"], claims["typ"], claims["aud"]) == ("RS256", "ID", "craft-ui")


def test_a_refresh_token_is_for_the_realm_and_not_signed_with_its_key(keycloak: Keycloak) -> None:
    header, claims = parts_of(keycloak.tokens("ada", PASSWORD)["refresh_token"])
    assert header["alg"] == "HS512"
    assert (claims["typ"], claims["aud"]) == ("Refresh", keycloak.issuer)


def test_a_client_without_the_audience_mapper_gets_tokens_without_the_audience(
    keycloak: Keycloak,
) -> None:
    _, claims = parts_of(keycloak.tokens("ada", PASSWORD, client="craft-other")["access_token"])
    assert claims["iss"] == keycloak.issuer
    assert "aud" not in claims
