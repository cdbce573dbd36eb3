"""What `helm test` runs, against the service: it says which step failed, and what was not tried."""

import asyncio
import os

from guarded import guarded
from rendering import SOLUTION
from running import NOBODY, RunningGateway, Service, serving, settings_for


async def verify(service: Service, **variables: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *("sh", SOLUTION / "verify.sh"),
        env=os.environ | {"SERVICE_URL": service.url, "PROJECT": "helm-test"} | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_a_service_that_works_passes_every_step(gateway: RunningGateway) -> None:
    async with serving(settings_for(gateway.url, gateway.key)) as service:
        code, said = await verify(service)
    assert code == 0, said
    steps = [line.removeprefix("ok").strip() for line in said.splitlines()]
    assert steps == [
        "the service is ready, and so is its gateway",
        "the gateway takes our key",
        "a call is answered, and booked on helm-test",
        "a stream comes to its end",
    ]


async def test_without_a_token_it_says_what_it_could_not_try() -> None:
    async with guarded() as scene:
        code, said = await verify(scene.service)
    assert code == 0, said
    assert "ok     without a token nobody gets in\nNOT TRIED: a call." in said


async def test_with_a_callers_token_the_call_is_tried() -> None:
    async with guarded() as scene:
        code, said = await verify(scene.service, PROJECT="demo", TOKEN=scene.token())
    assert code == 0, said
    assert "ok     a call is answered, and booked on demo" in said


async def test_a_gateway_that_is_away_fails_the_first_step() -> None:
    async with serving(settings_for(f"{NOBODY}/v1")) as service:
        code, said = await verify(service)
    assert code == 1
    assert said.startswith("FAILED the service is not ready: ")
    assert "status=503" in said
