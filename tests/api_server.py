"""A real API server of Kubernetes and its etcd on loopback, and kubectl before them.

Nothing else of a cluster is there: no scheduler, no controllers, no node. What it takes is stored,
and no container of it runs.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.run.ports import LOOPBACK, free_port
from local.run.supervision import Supervision
from rendering import Manifest, output_of

READY_SECONDS = 120
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
GVISOR = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "gvisor"},
    "handler": "runsc",
}


@dataclass(frozen=True)
class Cluster:
    """
    Args:
        kubectl: the program.
        config: for it and for Helm: where the server is, and who calls.
    """

    kubectl: Path
    config: Path

    def run(self, *words: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.kubectl, "--kubeconfig", self.config, *words],
            input=said,
            env=os.environ | {"KUBECACHEDIR": str(self.config.parent / "cache")},
            check=False,
            capture_output=True,
            text=True,
        )

    def succeed(self, *words: str | Path, said: str = "") -> str:
        return output_of(self.run(*words, said=said))

    def refused(self, *words: str | Path, said: str) -> str:
        """What the server says of what it does not take."""
        done = self.run(*words, said=said)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def get(self, *words: str | Path, said: str = "") -> Any:
        return json.loads(self.succeed("get", "--output=json", *words, said=said))

    def new_namespace(self) -> str:
        """One that takes restricted pods alone, with the account that a controller would make."""
        name = f"em-{secrets.token_hex(4)}"
        space = {"kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        account = {"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        made = [{"apiVersion": "v1"} | each for each in (space, account)]
        self.succeed("create", "--filename=-", said=yaml.safe_dump_all(made))
        return name


def applied(*more: str) -> list[str]:
    """The words that apply what is said, and let no field through that the server does not know."""
    return ["apply", "--server-side", "--validate=strict", "--filename=-", *more]


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a controller would make of a workload."""
    template = manifest["spec"]["template"]
    name = {"generateName": f"{manifest['metadata']['name']}-"}
    metadata = template["metadata"] | name | {"namespace": manifest["metadata"]["namespace"]}
    claims = manifest["spec"].get("volumeClaimTemplates", [])
    volumes = [
        {"name": claim, "persistentVolumeClaim": {"claimName": claim}}
        for claim in (each["metadata"]["name"] for each in claims)
    ]
    spec = template["spec"] | {"volumes": template["spec"].get("volumes", []) + volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@contextmanager
def running_api_server(programs: Path, kubectl: Path, folder: Path) -> Iterator[Cluster]:
    """
    Args:
        programs: the folder with `kube-apiserver` and `etcd`.
        folder: for all that they keep and say.

    Raises:
        ProcessError: one ended, or was not ready in time.
    """
    with Supervision(folder) as supervision:
        etcd, peers, port = free_port(), free_port(), free_port()
        process = supervision.start("etcd", etcd_command(programs, folder, etcd, peers), os.environ)
        supervision.wait_until_ready(process, etcd, ["/health"], seconds=READY_SECONDS)
        token = secrets.token_urlsafe()
        command = server_command(programs, folder, etcd, port, token)
        server = supervision.start("API server", command, os.environ)
        cluster = Cluster(kubectl, written_config(folder, port, token))
        ready = supervision.watch(
            lambda: cluster.run("get", "--raw=/readyz").returncode == 0, READY_SECONDS
        )
        if not ready:
            raise server.failure(f"was not ready within {READY_SECONDS} seconds")
        yield cluster


def etcd_command(programs: Path, folder: Path, port: int, peers: int) -> list[str]:
    listens, meets = (f"http://{LOOPBACK}:{each}" for each in (port, peers))
    return [
        str(programs / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={listens}",
        f"--advertise-client-urls={listens}",
        f"--listen-peer-urls={meets}",
        f"--initial-advertise-peer-urls={meets}",
        f"--initial-cluster=default={meets}",
        "--unsafe-no-fsync",
    ]


def server_command(programs: Path, folder: Path, etcd: int, port: int, token: str) -> list[str]:
    callers = folder / "callers.csv"
    callers.write_text(f'{token},tests,tests,"system:masters"\n')
    key = folder / "service-accounts.pem"
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers=http://{LOOPBACK}:{etcd}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={callers}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
    ]


def written_config(folder: Path, port: int, token: str) -> Path:
    here = {
        "server": f"https://{LOOPBACK}:{port}",
        "certificate-authority": str(folder / "certificates" / "apiserver.crt"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": here}],
        "users": [{"name": "tests", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "tests"}}],
        "current-context": "here",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)
    return file
