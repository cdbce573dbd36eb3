"""The Compose files as one: the services, where each file of theirs is, and what they write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from running import ROOT

MAIN = ROOT / "docker-compose.yml"
PROJECT = yaml.safe_load(MAIN.read_text())
FILES = [MAIN, *(ROOT / name for name in PROJECT["include"])]
VARIABLE = re.compile(r"\$\{(\w+):-(\w+)\}")
WRITTEN = re.compile(r"(/for-[\w-]+)/((?:keys/)?\w+)=([^\s\\]+)")


def settled(text: str) -> str:
    """As Compose reads it where no variable is set."""
    named = text.replace("${COMPOSE_PROJECT_NAME}", PROJECT["name"])
    return VARIABLE.sub(r"\2", named).replace("$$", "$")


@dataclass(frozen=True)
class Mount:
    """
    Attributes:
        source: a path of the repository, or the name of a volume.
    """

    source: Path | str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Service:
    """
    Attributes:
        folder: of its file; a relative path starts there.
        said: what its file says of it.
    """

    name: str
    folder: Path
    said: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What it is given; what it has from the shell is not."""
        given = self.said.get("environment", {})
        return {name: settled(value) for name, value in given.items() if value is not None}

    @property
    def from_the_shell(self) -> set[str]:
        return {name for name, value in self.said.get("environment", {}).items() if value is None}

    @property
    def command(self) -> list[str]:
        """The whole of it, without the entry point of its image."""
        words = [*self.said.get("entrypoint", []), *self.said.get("command", [])]
        return [settled(word) for word in words]

    @property
    def mounts(self) -> Iterator[Mount]:
        for mount in self.said.get("volumes", []):
            source, target, *mode = mount.split(":")
            place = (self.folder / source).resolve() if source.startswith(".") else source
            yield Mount(place, target, mode == ["ro"])

    @property
    def ports(self) -> Iterator[tuple[str, int, int]]:
        """The address, the port of the host, and the port of the container."""
        for port in self.said.get("ports", []):
            address, published, target = settled(port).split(":")
            yield address, int(published), int(target)

    @property
    def profiles(self) -> set[str]:
        return set(self.said.get("profiles", []))

    @property
    def image(self) -> str:
        return settled(self.said["image"])

    @property
    def is_ours(self) -> bool:
        return self.image.startswith(PROJECT["name"])

    @property
    def writes(self) -> Iterator[tuple[str, str, str]]:
        """The volume, the variable and the value of each that it writes for others."""
        for volume, name, value in WRITTEN.findall("\n".join(self.command)):
            yield volume.removeprefix("/"), name, value

    @property
    def health(self) -> str:
        """The command of its health check."""
        return settled(" ".join(self.said["healthcheck"]["test"][1:]))


def services() -> Iterator[Service]:
    for file in FILES:
        for name, said in yaml.safe_load(file.read_text())["services"].items():
            yield Service(name, file.parent, said)


SERVICES = {service.name: service for service in services()}
VOLUMES = {name for file in FILES for name in yaml.safe_load(file.read_text()).get("volumes", {})}
