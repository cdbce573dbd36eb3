"""Counts what the design bounds, from the tree and the running code: `make figures`."""

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import aiohttp
import grimp
import uvicorn
from aiohttp import web

from api.main import create_app
from api.settings import Settings
from chassis.admission import Admission

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "chassis": ("packages/chassis/src", 2150),
    "api": ("packages/api/src", 7400),
    "runtime_mcp": ("packages/runtime-mcp/src", 4900),
    "local": ("packages/local/src", 2300),
    "policy": ("charts/*/gateway", None),
}
ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["/usr/bin/env", "git", "-C", ROOT, "ls-files", "-z", *patterns],
        check=True,
        capture_output=True,
        text=True,
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def lines_in(files: list[Path]) -> int:
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def row(what: str, value: object, bound: object = "") -> None:
    sys.stdout.write(f"{what:<58} {value!s:>8} {bound!s:>8}\n")


def modules_and_lines() -> None:
    for name, (folder, bound) in PACKAGES.items():
        files = [
            file for file in tracked(f"{folder}/*.py") if "migrations/versions" not in str(file)
        ]
        row(f"{name}: lines", lines_in(files), bound or "")
        modules = Counter(file.parent for file in files if file.name != "__init__.py")
        row(f"{name}: modules", sum(modules.values()))
        row(f"{name}: most modules in a folder", max(modules.values()), 12)
    every = tracked("packages/*.py", "charts/*.py")
    row("lines of Python in packages/ and charts/", lines_in(every), 20000)
    row("modules of more than 200 lines", sum(lines_in([file]) > 200 for file in every), 0)
    row("lines in tests/", lines_in(tracked("tests/*.py")), 24000)
    row("lines of README.md", lines_in([ROOT / "README.md"]), 250)
    row("lock files", len(tracked("requirements/*.txt")), 4)


def floors(graph: grimp.ImportGraph, package: str) -> int:
    """How many of the package's folders and modules its longest chain of imports has."""
    rooms = sorted(graph.find_children(package))
    above: dict[str, set[str]] = {
        room: {
            other
            for other in rooms
            if other != room
            and graph.direct_import_exists(importer=room, imported=other, as_packages=True)
        }
        for room in rooms
    }

    def depth(room: str, seen: tuple[str, ...] = ()) -> int:
        if room in seen:
            return 0
        return 1 + max((depth(below, (*seen, room)) for below in above[room]), default=0)

    return max(map(depth, rooms))


def imports() -> None:
    graph = grimp.build_graph("api", "chassis", "runtime_mcp", exclude_type_checking_imports=False)
    for package in ("api", "chassis", "runtime_mcp"):
        row(f"{package}: floors of imports", floors(graph, package), 9)
    across = sum(
        len(graph.get_import_details(importer=importer, imported=imported))
        for importer in graph.find_descendants("runtime_mcp")
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.split(".")[0] == "api"
    )
    row("imports of api in runtime_mcp", across, 0)


@contextlib.contextmanager
def files_that_run() -> Iterator[set[str]]:
    """The files of our packages of which a function runs in the block."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "/packages/" in frame.f_code.co_filename:
            found.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


async def answered(_: web.Request) -> web.Response:
    return web.json_response(ANSWER)


async def behind_a_call() -> set[str]:
    """The files that one `/llm/complete` runs through, after one that has warmed everything up."""
    gateway = web.Application()
    gateway.router.add_post("/v1/chat/completions", answered)
    runner = web.AppRunner(gateway)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    settings = Settings.model_validate(
        {
            "llm_gateway_url": f"http://127.0.0.1:{port}/v1",
            "llm_gateway_api_key": "sk-of-the-figures",
            "auth_mode": "disabled",
            "log_level": "ERROR",
        }
    )
    config = uvicorn.Config(
        create_app(settings, Admission(10)), port=0, log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/llm/complete"
    async with aiohttp.ClientSession(headers={"X-Project-ID": "demo"}) as http:
        for _ in range(2):
            with files_that_run() as found:
                async with http.post(url, json={"prompt": "Hi"}) as answer:
                    assert answer.status == 200, await answer.text()  # noqa: S101
    server.should_exit = True
    await serving
    await runner.cleanup()
    return found


def main() -> int:
    sys.stdout.write(f"{'':<58} {'is':>8} {'bound':>8}\n")
    modules_and_lines()
    imports()
    files = asyncio.run(behind_a_call())
    row("files that one /llm/complete runs through", len(files), 22)
    for file in sorted(files):
        sys.stdout.write(f"    {Path(file).relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
