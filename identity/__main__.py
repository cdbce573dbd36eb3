"""`make identity`: the real Keycloak and the real OpenFGA on a laptop, loaded, until Ctrl-C."""

import os
import secrets
import sys
from pathlib import Path

from identity import announcement
from identity.load import environment, exports, load
from identity.peers import UnavailableError, start_keycloak, start_openfga
from local.run import run_folder
from local.run.ports import PortError, chosen_port, claim
from local.run.supervision import Interrupted, ProcessError, Supervision

FOLDER = Path(".run") / "identity"


def run() -> None:
    ports = {
        "KEYCLOAK_PORT": chosen_port(os.environ, "KEYCLOAK_PORT", 8080),
        "OPENFGA_PORT": chosen_port(os.environ, "OPENFGA_PORT", 8081),
    }
    claim(ports)
    run_folder.prepare(FOLDER)
    password = os.environ.get("DEMO_PASSWORD") or secrets.token_urlsafe(12)
    token = secrets.token_urlsafe(16)
    with Supervision(FOLDER.absolute()) as supervision:
        supervision.end_on_signals()
        print(f"starting OpenFGA and Keycloak (half a minute); their output goes to {FOLDER}")
        openfga = start_openfga(supervision, ports["OPENFGA_PORT"], token)
        keycloak = start_keycloak(supervision, ports["KEYCLOAK_PORT"])
        store = load(keycloak, password, openfga, token)
        given = environment(keycloak.issuer, openfga, store)
        given |= {"OPENFGA_API_TOKEN": token, "DEMO_PASSWORD": password}
        print("\nFor the API (with LLM_GATEWAY_URL and its key, as `make gateway` prints them):\n")
        print(f"{exports(given)}\nmake api\n")
        print("Then, with the same variables: a 200, a 401 and a 403.\n")
        print("\n\n".join(announcement.lines("http://127.0.0.1:8000")))
        print(f"\nKeycloak's pages: {keycloak.url}/admin, admin, {keycloak.admin_password}")
        print("Ctrl-C stops both.", flush=True)
        supervision.watch()


def main() -> int:
    """1 when a process failed, 2 when nothing was started, 0 when it was ended."""
    try:
        run()
    except (PortError, UnavailableError) as error:
        print(f"identity: {error}", file=sys.stderr)
        return 2
    except ProcessError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except (Interrupted, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
