"""What a kubelet makes of a pod's volumes: files that all change at once, by one link."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rendering import Manifest, only

DATA = "..data"


def mount(folder: Path, files: Mapping[str, str]) -> None:
    """Gives a folder these files, as a volume of a ConfigMap or a Secret has them; again, others.

    Each is a link into `..data`, which is a link to a folder of all of them, and is replaced by
    another in one step (`pkg/volume/util/atomic_writer.go` of Kubernetes).
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = (folder / DATA).resolve() if (folder / DATA).exists() else None
    now = folder / f"..{secrets.token_hex(4)}"
    now.mkdir()
    for name, text in files.items():
        (now / name).write_text(text)
    (folder / "..data_tmp").symlink_to(now.name)
    (folder / "..data_tmp").replace(folder / DATA)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path(DATA, name))
    if before:
        shutil.rmtree(before)


def files_of(manifests: list[Manifest], volume: Any) -> dict[str, str]:
    """What is in a projected volume of ConfigMaps."""
    maps = {each["metadata"]["name"]: each for each in manifests if each["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in volume["projected"]["sources"]:
        found |= maps[source["configMap"]["name"]]["data"]
    return found


def pod(manifests: list[Manifest]) -> Any:
    """What the Deployment starts."""
    return only(manifests, "Deployment")["spec"]["template"]["spec"]
