"""The two looks that `make audit` takes: neither says that all is well where it could not look."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from running import ROOT, listening

AUDIT = ROOT / ".venv" / "bin" / "python"
FLAW = {
    "id": "GHSA-of-the-tests",
    "aliases": ["CVE-2026-0001"],
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.21"}]}],
        }
    ],
}


@dataclass
class Osv:
    """A service on the protocol of OSV that knows flaws by package."""

    flaws: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def query(self, request: web.Request) -> web.Response:
        package = (await request.json())["package"]["name"]
        self.asked.append(package)
        flaw = self.flaws.get(package)
        return web.json_response({"vulns": [flaw]} if flaw else {})


@pytest.fixture
async def osv() -> AsyncIterator[tuple[Osv, str]]:
    service = Osv({"requests": FLAW})
    app = web.Application()
    app.router.add_post("/v1/query", service.query)
    async with listening(app) as url:
        yield service, f"{url}/v1/query"


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    file = tmp_path / "locked.txt"
    file.write_text(
        "".join(f"{name} --hash=sha256:{'0' * 64}\n" for name in ("idna==3.20", "six==1.17.0"))
    )
    return file


async def vulnerabilities(*arguments: str | Path) -> tuple[int | None, list[str]]:
    process = await asyncio.create_subprocess_exec(
        *(AUDIT, "tools/vulnerabilities.py", *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()


async def test_a_known_flaw_is_a_line_with_the_version_that_mends_it(
    osv: tuple[Osv, str], locked: Path
) -> None:
    service, url = osv
    service.flaws["idna"] = FLAW
    code, said = await vulnerabilities("--osv-url", url, locked)
    assert (code, said) == (1, [f"{locked}: idna 3.20: CVE-2026-0001, mended in 3.21"])


async def test_without_a_known_flaw_all_packages_were_asked_for(
    osv: tuple[Osv, str], locked: Path
) -> None:
    service, url = osv
    assert await vulnerabilities("--osv-url", url, locked) == (
        0,
        ["nothing is known against 1 locked files"],
    )
    assert sorted(service.asked) == ["idna", "requests", "six"]


@pytest.mark.parametrize(("required", "code"), [([], 0), (["--required"], 1)])
async def test_a_service_that_knows_nothing_or_is_not_there_was_no_check(
    osv: tuple[Osv, str], locked: Path, required: list[str], code: int
) -> None:
    service, url = osv
    service.flaws.clear()
    for address in (url, "http://127.0.0.1:9/v1/query"):
        ended, (line,) = await vulnerabilities(*required, "--osv-url", address, locked)
        assert ended == code
        assert line.startswith("NOT CHECKED")
    assert "idna" not in service.asked


@pytest.mark.parametrize(
    ("line", "code"),
    [("CVE-2026-0001 we never decode a name of a stranger's", 0), ("CVE-2026-0001", 1)],
)
async def test_a_finding_is_accepted_only_with_a_reason(
    osv: tuple[Osv, str], locked: Path, tmp_path: Path, line: str, code: int
) -> None:
    service, url = osv
    service.flaws["idna"] = FLAW
    (tmp_path / "accepted.txt").write_text(f"# of the tests\n{line}\n")
    accepted = ("--accepted", tmp_path / "accepted.txt")
    assert (await vulnerabilities("--osv-url", url, *accepted, locked))[0] == code


def leaks(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [AUDIT, ROOT / "tools/leaks.py", folder]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    command = ["git", *settings, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


TOKEN = "ghp_" + "1xK9mQ4vT7bZ2nW8rL5cY3dF6gH0jP1sA9eU"


def test_a_secret_is_found_in_a_new_file_and_in_what_was_deleted_since(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("ignored.txt\n")
    (tmp_path / "ignored.txt").write_text(f"token = '{TOKEN}'\n")
    git(tmp_path, "add", ".gitignore")
    git(tmp_path, "commit", "--quiet", "--message", "nothing to see")
    assert leaks(tmp_path).returncode == 0
    (tmp_path / "new.py").write_text(f"token = '{TOKEN}'\n")
    found = leaks(tmp_path)
    assert found.returncode == 1
    assert "new.py" in found.stdout
    assert TOKEN not in found.stdout + found.stderr
    git(tmp_path, "add", "new.py")
    git(tmp_path, "commit", "--quiet", "--message", "a mistake")
    git(tmp_path, "rm", "--quiet", "new.py")
    git(tmp_path, "commit", "--quiet", "--message", "it is gone, or is it")
    assert leaks(tmp_path).returncode == 1


def test_where_there_is_no_repository_the_scan_says_that_it_did_not_look(tmp_path: Path) -> None:
    scanned = leaks(tmp_path)
    assert scanned.returncode == 2
    assert scanned.stdout.startswith("NOT CHECKED")
