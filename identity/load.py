"""`python -m identity.load`: passwords into Keycloak, model and tuples into OpenFGA."""

import os
import shlex
from pathlib import Path

from identity.keycloak import Keycloak
from identity.openfga import Store


def load(keycloak: Keycloak, password: str, openfga_url: str, openfga_token: str | None) -> Store:
    keycloak.set_passwords(password)
    return Store.loaded(openfga_url, openfga_token)


def environment(issuer: str, openfga_url: str, store: Store) -> dict[str, str]:
    """What the API has to be told, beside OpenFGA's token."""
    return {
        "AUTH_MODE": "keycloak",
        "KEYCLOAK_ISSUER_URL": issuer,
        "KEYCLOAK_AUDIENCE": "solution-api",
        "OPENFGA_API_URL": openfga_url,
        "OPENFGA_STORE_ID": store.id,
    }


def exports(variables: dict[str, str]) -> str:
    """As a person pastes them into a shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def main() -> None:
    """Reads where both are from the environment; prints what `make api` needs.

    `PUBLIC_*` is where the host finds what this process, in a network of its own, finds elsewhere.
    `STORE_ID_FILE` gets the id of OpenFGA's store.
    """
    url, openfga_url = os.environ["KEYCLOAK_URL"], os.environ["OPENFGA_API_URL"]
    keycloak = Keycloak(url, os.environ["KEYCLOAK_ADMIN_PASSWORD"])
    token = os.environ.get("OPENFGA_API_TOKEN")
    store = load(keycloak, os.environ["DEMO_PASSWORD"], openfga_url, token)
    if file := os.environ.get("STORE_ID_FILE"):
        Path(file).write_text(store.id)
    seen = Keycloak(os.environ.get("PUBLIC_KEYCLOAK_URL", url), "")
    public = os.environ.get("PUBLIC_OPENFGA_API_URL", openfga_url)
    print(exports(environment(seen.issuer, public, store)))


if __name__ == "__main__":
    main()
