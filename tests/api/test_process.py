"""`python -m api` as the platform starts it: what it says, what it exits with, what it logs."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from api_process import DEMO, PROMPT, START_SECONDS, RunningApi, running_api
from conftest import RunningProvider
from hearsay import heard
from marked import marked
from reading import Event, events_of, read_stream
from running import ROOT, answering_completions, api_command

KEY = marked("process")
ANSWER = "Paris is the capital"


def environment(url: str, **changes: str) -> dict[str, str]:
    """The environment of a process that would start; an empty value takes a variable away."""
    given = {
        "PATH": os.environ["PATH"],
        "AUTH_MODE": "disabled",
        "LLM_GATEWAY_URL": url,
        "LLM_GATEWAY_API_KEY": KEY,
        "LLM_DEFAULT_MODEL": "ok",
        "LLM_FALLBACK_MODELS": ",",
        "LOG_LEVEL": "DEBUG",
        "PORT": "0",
    }
    return {name: value for name, value in (given | changes).items() if value}


async def refused(env: dict[str, str]) -> tuple[int | None, str, list[str]]:
    """Exit code, stdout and the lines on stderr of a process that does not start."""
    process = await asyncio.create_subprocess_exec(
        *api_command(),
        env=env,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), START_SECONDS)
    heard("refused to start", out + err)
    return process.returncode, out.decode(), err.decode().splitlines()


async def test_a_senseless_environment_is_one_line_for_each_variable_and_exit_code_2() -> None:
    env = environment("http://127.0.0.1:9", LLM_CLIENT="httpx", PORT="http")
    code, out, lines = await refused(env)
    assert (code, out) == (2, "")
    names = [line.split(": ")[1] for line in lines]
    assert names == ["LLM_GATEWAY_URL", "LLM_CLIENT", "PORT"]
    assert KEY not in str(lines)


async def test_without_an_auth_mode_a_realm_is_wanted_and_nothing_starts() -> None:
    code, out, lines = await refused(environment("http://127.0.0.1:9/v1", AUTH_MODE=""))
    assert (code, out) == (2, "")
    assert [line.split(": ")[1] for line in lines] == [
        "KEYCLOAK_ISSUER_URL",
        "KEYCLOAK_AUDIENCE",
    ]


async def test_a_taken_port_is_one_line_that_names_the_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, lines = await refused(environment("http://127.0.0.1:9/v1", PORT=port))
    assert code == 2
    assert out == ""
    (line,) = lines
    assert line.split(": ")[1] == "PORT"
    assert f"127.0.0.1:{port}" in line


async def test_a_host_that_cannot_be_listened_on_is_one_line_that_names_the_variable() -> None:
    code, _, lines = await refused(environment("http://127.0.0.1:9/v1", HOST="no such host"))
    assert code == 2
    assert [line.split(": ")[1] for line in lines] == ["HOST"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_process_says_that_auth_is_off_is_lean_and_ends_at_once_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running_api(tmp_path, environment("http://127.0.0.1:9/v1")) as api:
        maps, status = api.of_kernel("maps"), api.of_kernel("status")
        began = time.monotonic()
        assert await api.ends_on(number) == 0
        assert time.monotonic() - began < 2
    assert "uvloop" in maps, "the maps show what was loaded"
    assert "tiktoken" not in maps, "litellm brings it along"
    held = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    assert int(held) < 90 * 1024, "before the first call"
    (line,) = api.said("stderr").splitlines()
    assert "AUTH_MODE=disabled" in line


async def test_langfuse_by_half_is_said_at_the_start_and_is_no_reason_not_to_start(
    tmp_path: Path,
) -> None:
    env = environment("http://127.0.0.1:9/v1", LANGFUSE_HOST="langfuse.example")
    async with running_api(tmp_path, env) as api:
        said = api.said("stderr")
    assert "LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY: not set" in said


async def test_auth_that_is_off_is_said_aloud_at_every_log_level(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = environment("http://127.0.0.1:9/v1", LOG_LEVEL="ERROR", PORT=str(port))
    with (tmp_path / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *api_command(), env=env, cwd=ROOT, stdout=said, stderr=said
        )
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{port}/health/live") as response:
                        assert response.status == 200
                        break
                await asyncio.sleep(0.02)
    finally:
        process.terminate()
        await process.wait()
    assert "AUTH_MODE=disabled" in (tmp_path / "said").read_text()


async def test_the_wire_lane_is_composed_without_importing_litellm() -> None:
    program = """
import asyncio, sys
from chassis.admission import Admission
from api.main import create_app
from api.settings import load_settings

async def start():
    app = create_app(load_settings(), Admission(1))
    async with app.router.lifespan_context(app) as state:
        await state["app"].warm_up

asyncio.run(start())
print(*sorted({"litellm", "openai", "httpx", "tiktoken"} & set(sys.modules)))
"""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=environment("http://127.0.0.1:9/v1"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert (process.returncode, out.decode()) == (0, "\n")


async def test_a_signal_lets_the_open_stream_end_and_takes_nothing_new(
    tmp_path: Path, provider: RunningProvider
) -> None:
    env = environment(provider.url, LLM_STREAM_PATIENCE_SECONDS="0.05")
    async with running_api(tmp_path, env) as api:
        asked = {"prompt": PROMPT, "model": "silent-0.5"}
        async with api.http.post(api.url + "/llm/stream", json=asked, headers=DEMO) as response:
            api.process.send_signal(signal.SIGTERM)
            while await api.asks() != 503:
                await asyncio.sleep(0.01)
            async with api.http.get(api.url + "/health/ready") as ready:
                assert (ready.status, (await ready.json())["status"]) == (503, "draining")
            events = await read_stream(response)
        assert await asyncio.wait_for(api.process.wait(), 5) == 0
    assert events[-1].name == "done"
    assert api.lines("llm_call")[-1]["outcome"] == "complete"


async def test_a_second_signal_does_not_wait_for_the_open_stream(
    tmp_path: Path, provider: RunningProvider
) -> None:
    async with running_api(tmp_path, environment(provider.url)) as api:
        asked = {"prompt": PROMPT, "model": "drip"}
        async with api.http.post(api.url + "/llm/stream", json=asked, headers=DEMO) as response:
            assert response.status == 200
            api.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            assert api.process.returncode is None
            assert await api.ends_on(signal.SIGTERM) == 0


@pytest.mark.parametrize("waits", [True, False])
async def test_a_call_with_a_name_ends_with_the_grace_whether_anybody_waits_or_not(
    tmp_path: Path, provider: RunningProvider, waits: bool
) -> None:
    prompt = f"{PROMPT}, waits: {waits}"
    async with running_api(tmp_path, environment(provider.url)) as api:
        headers = DEMO | {"Idempotency-Key": "a-name"}
        asked = {"prompt": prompt, "model": "silent-30"}
        url = api.url + "/llm/complete"
        call = asyncio.ensure_future(api.http.post(url, json=asked, headers=headers))
        while not provider.seen.for_prompt(prompt):
            await asyncio.sleep(0.02)
        if not waits:
            call.cancel()
        api.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        assert api.process.returncode is None
        began = time.monotonic()
        assert await api.ends_on(signal.SIGTERM) == 0
        assert time.monotonic() - began < 1.5
        if waits:
            async with await call as response:
                assert (response.status, (await response.json())["code"]) == (503, "draining")
    assert "Traceback" not in api.said("stdout") + api.said("stderr")


async def test_a_key_in_a_file_is_read_again_when_it_changes(
    tmp_path: Path, provider: RunningProvider
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{marked('first')}\n")
    env = environment(provider.url, LLM_GATEWAY_API_KEY="", LLM_GATEWAY_API_KEY_FILE=str(file))
    prompt = "Which key?"
    async with running_api(tmp_path, env) as api:
        assert await api.asks(prompt=prompt) == 200
        file.write_text(marked("second-in-place"))
        assert await api.asks(prompt=prompt) == 200
        (tmp_path / "new").write_text(f"{marked('third')}\n")
        (tmp_path / "new").rename(file)
        assert await api.asks(prompt=prompt) == 200
        file.unlink()
        assert await api.asks(prompt=prompt) == 200, "the last good one"
    keys = [call.headers["authorization"] for call in provider.seen.for_prompt(prompt)]
    assert keys == [
        f"Bearer {marked('first')}",
        f"Bearer {marked('second-in-place')}",
        f"Bearer {marked('third')}",
        f"Bearer {marked('third')}",
    ]


async def cancel_a_call(api: RunningApi, path: str, model: str) -> None:
    """Leaves while the model thinks or, where it speaks, after its first word."""
    asked = {"prompt": PROMPT, "model": model}
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            async with api.http.post(api.url + path, json=asked, headers=DEMO) as response:
                async for event in events_of(response):
                    if isinstance(event, Event) and event.name == "delta":
                        response.close()
                        return


async def test_each_call_is_one_line_that_holds_no_key_no_prompt_and_no_answer(
    tmp_path: Path, provider: RunningProvider, lane: str
) -> None:
    env = environment(provider.url, LLM_CLIENT=lane, LOG_LEVEL="DEBUG")
    async with running_api(tmp_path, env) as api:
        headers = DEMO | {"X-Request-ID": "the-first"}
        asked = {"prompt": PROMPT}
        async with api.http.post(api.url + "/llm/complete", json=asked, headers=headers) as r:
            assert ANSWER in await r.text()
        assert await api.asks("/llm/stream") == 200
        assert await api.asks(model="context") == 400
        assert await api.asks("/llm/stream", model="context") == 400
        assert await api.asks("/llm/stream", model="cut") == 200
        assert await api.asks(model="empty") == 200
        assert await api.asks(max_tokens=0) == 422, "no call, no line"
        await asyncio.gather(
            cancel_a_call(api, "/llm/complete", "silent-30"),
            cancel_a_call(api, "/llm/stream", "silent-30"),
            cancel_a_call(api, "/llm/stream", "drip"),
        )
        assert await api.ends_on(signal.SIGTERM) == 0
    calls = api.lines("llm_call")
    assert [call["outcome"] for call in calls] == [
        "complete",
        "complete",
        "prompt_rejected",
        "prompt_rejected",
        "stream_interrupted",
        "empty",
        "cancelled",
        "cancelled",
        "cancelled",
    ]
    assert calls[0]["request_id"] == "the-first"
    assert len({call["request_id"] for call in calls}) == len(calls)
    assert {call["project_id"] for call in calls} == {"demo"}
    assert [call["level"] for call in calls].count("warning") == 4
    assert calls[0]["attempts"] == ["ok:ok"]
    assert calls[2]["attempts"] == ["context:prompt_rejected (400 invalid_request_error)"]
    assert [call["attempts"] for call in calls[-3:]] == [
        ["silent-30:cancelled"],
        ["silent-30:cancelled"],
        ["drip:cancelled"],
    ]
    assert all(call["remedy"] for call in calls if call["level"] == "warning" and "reason" in call)
    said = api.said("stdout") + api.said("stderr")
    assert [secret for secret in (KEY, PROMPT, ANSWER, "Paris") if secret in said] == []
    assert "Traceback" not in said


@asynccontextmanager
async def gateway_that_repeats_the_prompt() -> AsyncIterator[str]:
    """Some providers say what they refuse, word by word."""

    async def refuse(request: web.Request) -> web.Response:
        prompt = (await request.json())["messages"][-1]["content"]
        message = f"litellm.BadRequestError: OpenAIException - Invalid input: {prompt!r}"
        error = {"message": message, "type": "invalid_request_error", "code": "400"}
        return web.json_response({"error": error}, status=400)

    async with answering_completions(refuse) as url:
        yield url


async def test_a_prompt_that_the_provider_repeats_in_its_error_is_not_logged_either(
    tmp_path: Path,
) -> None:
    async with gateway_that_repeats_the_prompt() as url:
        async with running_api(tmp_path, environment(url)) as api:
            assert await api.asks() == 400
            assert PROMPT not in api.said("stdout")


@pytest.mark.timeout(90)
async def test_of_a_hundred_open_streams_at_a_signal_none_is_cut_inside_of_an_event(
    tmp_path: Path, provider: RunningProvider
) -> None:
    env = environment(provider.url)
    async with running_api(tmp_path, env) as api:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=DEMO) as http:
            opened = 0

            async def stream(number: int) -> bytes:
                nonlocal opened
                model = "drip-40" if number % 2 else "drip"
                asked = {"prompt": f"{PROMPT} {number}", "model": model}
                async with http.post(api.url + "/llm/stream", json=asked) as response:
                    assert response.status == 200
                    opened += 1
                    return await response.read()

            streams = [asyncio.create_task(stream(number)) for number in range(100)]
            async with asyncio.timeout(30):
                while opened < 100:
                    await asyncio.sleep(0.02)
            api.process.send_signal(signal.SIGTERM)
            while await api.asks() != 503:
                await asyncio.sleep(0.01)
            finishing = [task for number, task in enumerate(streams) if number % 2]
            done = await asyncio.wait_for(asyncio.gather(*finishing), 30)
            began = time.monotonic()
            code = await api.ends_on(signal.SIGTERM, seconds=10)
            cut = await asyncio.gather(*(task for task in streams if task not in finishing))
    assert code == 0
    assert time.monotonic() - began < 10
    for text in done:
        assert text.endswith(b"\n\n")
        assert text.count(b"event: done\n") == 1
    for text in cut:
        assert text.endswith(b"\n\n"), "a whole event"
        assert text.count(b"event: error\n") == 1
        assert b'"code":"draining"' in text.split(b"event: error\n")[1]
