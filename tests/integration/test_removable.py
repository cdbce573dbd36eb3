"""Each optional concern can be taken out, and what is left is a service that lints and answers."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from sysconfig import get_path

import aiohttp
import pytest
from remove import concerns, remove

from conftest import RunningProvider
from running import ROOT

SOURCES = [f"packages/{name}/src" for name in ("chassis", "api", "runtime-mcp")]
EVERY_CONCERN = sorted(concerns(ROOT))
START_SECONDS = 60


@pytest.fixture(scope="session")
def without_ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with all that is installed here, but for our own packages."""
    folder = tmp_path_factory.mktemp("without-ours")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(site) / "installed.pth").write_text(get_path("purelib"))
    return python


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The files that git knows of, in a folder of their own."""
    listed = subprocess.run(
        [
            "/usr/bin/env",
            "git",
            "-C",
            ROOT,
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        check=True,
        capture_output=True,
    ).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def policy_in(folder: Path) -> Path:
    (policy,) = folder.glob("charts/*/gateway")
    return policy


def checked(folder: Path, *command: str | Path, **more: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | more, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def serving(python: Path, folder: Path, url: str) -> Iterator[Path]:
    """The API of this folder, in front of this gateway."""
    sources = os.pathsep.join(str(folder / each) for each in SOURCES)
    log = folder / "api.log"
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": sources,
        "AUTH_MODE": "disabled",
        "PORT": "0",
        "LLM_GATEWAY_URL": url,
        "LLM_GATEWAY_API_KEY": "sk-of-the-tests",
        "LLM_DEFAULT_MODEL": "ok",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, "-m", "api"], cwd=folder, env=variables, stdout=out, stderr=out
        )
    try:
        yield log
    finally:
        process.terminate()
        assert process.wait(30) == 0


def port_in(log: Path) -> str | None:
    """The port that the API says it listens on."""
    lines = [line for line in log.read_text().splitlines() if '"listening"' in line]
    return lines[0].partition('"port":')[2].partition(",")[0] if lines else None


async def ready_at(http: aiohttp.ClientSession, log: Path) -> str:
    async with asyncio.timeout(START_SECONDS):
        while True:
            if (port := port_in(log)) is not None:
                url = f"http://127.0.0.1:{port}"
                with suppress(aiohttp.ClientConnectionError):
                    async with http.get(f"{url}/health/live") as answer:
                        if answer.status == 200:
                            return url
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("concern", EVERY_CONCERN)
async def test_what_is_left_without_a_concern_lints_and_answers(
    concern: str, copied: Path, without_ours: Path, mypy_cache: Path, provider: RunningProvider
) -> None:
    remove(copied, concern)
    sources = [each for each in SOURCES if (copied / each).is_dir()]
    programs = Path(sys.executable).parent
    policy = policy_in(copied)
    checked(copied, programs / "ruff", "check", "packages", policy)
    checked(copied, programs / "ruff", "format", "--check", "packages", policy)
    checked(
        copied,
        *(programs / "mypy", "--python-executable", without_ours, "--cache-dir", mypy_cache),
        *sources,
        policy,
        MYPYPATH=os.pathsep.join([*sources, str(policy)]),
    )
    headers = {"X-Project-ID": "demo"}
    body = {"prompt": "What is the capital of France?"}
    with serving(without_ours, copied, provider.url) as log:
        async with aiohttp.ClientSession(headers=headers) as http:
            url = await ready_at(http, log)
            async with http.post(f"{url}/llm/complete", json=body) as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.json())["status"] == "complete"
            async with http.post(f"{url}/llm/stream", json=body) as answer:
                assert answer.status == 200
                events = await answer.text()
    names = [line.removeprefix("event: ") for line in events.splitlines() if "event: " in line]
    assert names[0] == "meta"
    assert names[-1] == "done"
    assert set(names[1:-1]) == {"delta"}
