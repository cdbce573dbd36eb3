"""An image, built for real: its root, its layers and its config, and its process in a sandbox.

The sandbox is bubblewrap's: the root read-only, /tmp in memory, the image's own user, variables and
process 1, and of this machine the network alone.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from running import ROOT

CANNOT = 3
CHUNK = 1 << 20


@dataclass(frozen=True)
class Image:
    """
    Attributes:
        tag: with the name of the solution, the package and the version.
        root: the files as its container has them.
        config: as `docker image inspect` shows it under `Config`.
        mounts: folders of this machine, by where the image sees them.
    """

    tag: str
    root: Path
    config: dict[str, Any]
    mounts: dict[str, Path] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    @property
    def main(self) -> list[str]:
        return [*self.config["Entrypoint"], *self.config["Cmd"]]

    def sandboxed(self, *command: str, **variables: str) -> list[str]:
        """The command line that runs the command as process 1 in the image."""
        user, group = self.config["User"].split(":")
        words = ["unshare", "--pid", "--fork", "--kill-child", "--"]
        words += ["bwrap", "--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"]
        words += ["--perms", "1777", "--tmpfs", "/tmp", "--unshare-pid", "--unshare-ipc"]  # noqa: S108
        for there, folder in self.mounts.items():
            words += ["--bind", str(folder), there]
        words += ["--as-pid-1", "--new-session", "--clearenv"]
        words += ["--chdir", self.config["WorkingDir"]]
        for name, value in (self.environment | variables).items():
            words += ["--setenv", name, value]
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "/usr/bin/setpriv"]
        words += [
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--inh-caps=-all",
            "--no-new-privs",
        ]
        return [*words, *command]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.sandboxed(*command, **variables), check=False, capture_output=True, text=True
        )

    def succeed(self, *command: str, **variables: str) -> str:
        done = self.run(*command, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def healthy(self, **variables: str) -> bool:
        """Whether the image's own check, started as the engine starts it, says so."""
        kind, *command = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.run(*command, **variables).returncode == 0


@dataclass(frozen=True)
class Layers:
    """Those of an image, each a tar archive: what a later one takes away is still in them."""

    archives: list[Path]

    def has(self, text: str) -> bool:
        """Whether it stands in one: in a file, or in the name of one."""
        return any(contains(archive, text.encode()) for archive in self.archives)

    def names(self) -> Iterator[str]:
        for file in self.archives:
            with tarfile.open(file) as archive:
                yield from archive.getnames()


def contains(file: Path, text: bytes) -> bool:
    before = b""
    with file.open("rb") as archive:
        while chunk := archive.read(CHUNK):
            if text in before + chunk:
                return True
            before = chunk[-len(text) :]
    return False


def buildah(*words: str | Path) -> str:
    command = [ROOT / "tools" / "offline" / "buildah.sh", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def built(package: str, **variables: str) -> Iterator[Image]:
    """The image of a package; a test that cannot have it is skipped, with the reason.

    Args:
        variables: more of what `tools/image.sh` is told.
    """
    if shutil.which("bwrap") is None:
        pytest.skip("there is no bubblewrap to start an image with (Debian: bubblewrap)")
    done = subprocess.run(
        [ROOT / "tools" / "image.sh", package],
        env=os.environ | {"ENGINE": "buildah"} | variables,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip().rpartition("\n")[2])
    assert done.returncode == 0, done.stderr
    tag = done.stdout.split()[0]
    container = buildah("from", tag)
    try:
        described = json.loads(buildah("inspect", "--type", "image", tag))
        yield Image(tag, Path(buildah("mount", container)), described["Docker"]["config"])
    finally:
        buildah("umount", container)
        buildah("rm", container)


@contextmanager
def layers(image: Image) -> Iterator[Layers]:
    """As they would go to a registry."""
    with tempfile.TemporaryDirectory() as folder:
        buildah("push", "--disable-compression", image.tag, f"dir:{folder}")
        manifest = json.loads(Path(folder, "manifest.json").read_text())
        digests = {layer["digest"].removeprefix("sha256:") for layer in manifest["layers"]}
        yield Layers([Path(folder, digest) for digest in sorted(digests)])
