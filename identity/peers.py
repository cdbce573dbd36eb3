"""Starts the real Keycloak and the real OpenFGA on loopback, under a supervision."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from identity.keycloak import REALM, Keycloak
from local.run.ports import LOOPBACK, free_port
from local.run.supervision import Supervision

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120
SMALL_HEAP = "-Xms64m -Xmx512m"


class UnavailableError(Exception):
    """A peer cannot be had on this machine; the message is one line that says why."""


def fetched(peer: str) -> Path:
    """Where `tools/offline/peers.sh` has put it, now if it was not there.

    Raises:
        UnavailableError: it cannot be fetched or built.
    """
    done = subprocess.run(
        [ROOT / "tools" / "offline" / "peers.sh", peer], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise UnavailableError(done.stderr.strip().rpartition("\n")[2])
    return Path(done.stdout.strip())


def start_keycloak(supervision: Supervision, port: int) -> Keycloak:
    """One with the realm imported, and without a password for any of its users.

    Raises:
        UnavailableError: it cannot be had here.
        ProcessError: it ended, or was not ready in time.
    """
    home = home_in(supervision.logs, fetched("keycloak"))
    keycloak = Keycloak(f"http://{LOOPBACK}:{port}", secrets.token_urlsafe(16))
    command = [str(home / "bin" / "kc.sh"), "start-dev", "--import-realm", "--db=dev-mem"]
    command += [f"--http-host={LOOPBACK}", f"--http-port={port}"]
    variables = {
        "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
        "KC_BOOTSTRAP_ADMIN_PASSWORD": keycloak.admin_password,
        "JAVA_OPTS_KC_HEAP": SMALL_HEAP,
    }
    process = supervision.start("Keycloak", command, os.environ | variables)
    ready = [f"/realms/{REALM}/.well-known/openid-configuration"]
    supervision.wait_until_ready(process, port, ready, seconds=READY_SECONDS)
    return keycloak


def home_in(folder: Path, distribution: Path) -> Path:
    """A home of its own: Keycloak imports what is in its home's `data/import`."""
    home = folder / "keycloak"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for shared in ("lib", "providers", "themes"):
        (home / shared).symlink_to(distribution / shared)
    for own in ("bin", "conf"):
        shutil.copytree(distribution / own, home / own)
    (home / "data" / "import").mkdir(parents=True)
    shutil.copy(ROOT / "identity" / "realm.json", home / "data" / "import")
    return home


def start_openfga(supervision: Supervision, port: int, token: str) -> str:
    """An empty one that keeps what it knows in memory; its address, without a path.

    Args:
        token: what it asks of every caller.

    Raises:
        UnavailableError: it cannot be had here.
        ProcessError: it ended, or was not ready in time.
    """
    command = [str(fetched("openfga")), "run", "--datastore-engine=memory"]
    command += [f"--http-addr={LOOPBACK}:{port}", f"--grpc-addr={LOOPBACK}:{free_port()}"]
    command += ["--playground-enabled=false", "--profiler-enabled=false"]
    command += ["--metrics-enabled=false", "--authn-method=preshared"]
    keys = {"OPENFGA_AUTHN_PRESHARED_KEYS": token}
    process = supervision.start("OpenFGA", command, os.environ | keys)
    supervision.wait_until_ready(process, port, ["/healthz"], seconds=READY_SECONDS)
    return f"http://{LOOPBACK}:{port}"
