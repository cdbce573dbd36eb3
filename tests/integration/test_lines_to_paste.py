"""The lines that a person pastes: as the README has them, and as they work."""

import asyncio
import re

from api_process import RunningApi
from identity import announcement
from identity.keycloak import Keycloak
from identity.openfga import Store
from identity_peers import PASSWORD, environment_of
from running import ROOT


async def test_they_give_a_200_a_401_and_a_403(
    guarded_api: RunningApi, keycloak: Keycloak, store: Store
) -> None:
    lines = "\n".join(announcement.lines(guarded_api.url))
    env = environment_of(keycloak, store) | {"DEMO_PASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"}
    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", lines), env=env, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await shell.communicate()
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"401", b"403"]


def test_the_readme_has_them() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in announcement.lines("http://127.0.0.1:8000"):
        assert f"\n{line}\n" in readme
