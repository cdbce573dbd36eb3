"""The doctor: of what is broken, one thing at a time, it names that first."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from conftest import RunningProvider
from doctoring import (
    DOCTOR,
    PUBLIC_KEY,
    SECRET_KEY,
    Surroundings,
    proxy,
    report,
    said,
    surroundings,
)
from openfga_stand_in import STORE
from redis_server import NO_REDIS, PASSWORD, running_redis
from running import MASTER_KEY, ROOT, RunningGateway, listening, serving_alone, settings_for

CLOSED = "http://127.0.0.1:9"
PAGE = "<html><body>It works!</body></html>"
SECRETS = (MASTER_KEY, PUBLIC_KEY, SECRET_KEY)


@pytest.fixture
async def around() -> AsyncIterator[Surroundings]:
    async with surroundings() as healthy:
        yield healthy


def variable(name: str, value: str) -> Callable[[Surroundings], None]:
    def change(around: Surroundings) -> None:
        around.changes[name] = value

    return change


def of_gateway(**changes: object) -> Callable[[Surroundings], None]:
    def change(around: Surroundings) -> None:
        for name, value in changes.items():
            setattr(around.gateway, name, value)

    return change


FAULTS: dict[str, tuple[Callable[[Surroundings], None], str, str]] = {
    "the gateway is down": (
        variable("LLM_GATEWAY_URL", f"{CLOSED}/v1"),
        "gateway_reachable",
        "Connection refused",
    ),
    "the gateway's name is nobody's": (
        variable("LLM_GATEWAY_URL", "http://gateway.invalid:4000/v1"),
        "gateway_reachable",
        "gateway.invalid",
    ),
    "another server is at the gateway's port": (
        of_gateway(readiness=(200, PAGE)),
        "gateway_ready",
        "It works!",
    ),
    "the gateway is not ready": (
        of_gateway(readiness=(503, {"status": "unhealthy"})),
        "gateway_ready",
        "503",
    ),
    "the key is wrong, as LiteLLM without a database says it": (
        of_gateway(refusal=(400, "no_db_connection")),
        "gateway_key",
        "400 no_db_connection",
    ),
    "the key is wrong, as everybody else says it": (
        of_gateway(refusal=(401, "auth_error")),
        "gateway_key",
        "401 auth_error",
    ),
    "the key may use no model": (of_gateway(aliases=()), "gateway_models", "empty"),
    "the default model is not routed": (
        variable("LLM_DEFAULT_MODEL", "openai/gone"),
        "default_model",
        "listed ok, status-500, claude-ok",
    ),
    "a fallback is not routed": (
        variable("LLM_FALLBACK_MODELS", "claude-ok,claude-gone"),
        "fallback_models",
        "listed ok, status-500, claude-ok",
    ),
    "no other provider stands in": (
        variable("LLM_FALLBACK_MODELS", "ok"),
        "fallback_provider",
        "ok, then ok",
    ),
    "thinking has no room": (
        variable("LLM_MIN_TOKENS_THINKING", "50"),
        "thinking_floor",
        "LLM_MIN_TOKENS_THINKING is 50",
    ),
    "the provider fails": (
        variable("LLM_DEFAULT_MODEL", "status-500"),
        "call",
        "500",
    ),
    "the gateway books the call on another": (
        of_gateway(booked_on="somebody-else"),
        "attribution",
        "somebody-else",
    ),
    "Langfuse is away": (
        variable("LANGFUSE_HOST", CLOSED),
        "langfuse_reachable",
        "Connection refused",
    ),
    "Langfuse refuses the keys": (
        variable("LANGFUSE_SECRET_KEY", "sk-lf-of-yesterday"),
        "langfuse_keys",
        "401",
    ),
    "Langfuse has one key only": (
        variable("LANGFUSE_SECRET_KEY", ""),
        "variables",
        "environment",
    ),
    "the realm is away": (variable("KEYCLOAK_JWKS_URL", CLOSED), "realm_keys", "refused"),
    "the realm's keys are no keys": (
        lambda a: setattr(a.realm, "body", b'{"keys": []}'),
        "realm_keys",
        '{"keys": []}',
    ),
    "the realm calls itself by another name": (
        lambda a: setattr(a.realm, "called", "https://login.example/realms/craft"),
        "realm_issuer",
        "https://login.example/realms/craft",
    ),
    "OpenFGA is away": (variable("OPENFGA_API_URL", CLOSED), "openfga_store", "refused"),
    "OpenFGA has another store": (
        variable("OPENFGA_STORE_ID", STORE[::-1]),
        "openfga_store",
        "404",
    ),
    "the store has another model": (
        lambda a: setattr(a.openfga, "relations", ("can_read",)),
        "openfga_model",
        "project has can_read",
    ),
    "Redis is away": (variable("REDIS_URL", "redis://127.0.0.1:9/0"), "redis_reachable", "9"),
    "the gateway's clock is wrong": (of_gateway(clock=-90), "clock", "gateway -90 s"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_fault_is_the_first_that_is_named_and_says_how_it_is_known(
    around: Surroundings, fault: str
) -> None:
    plant, check, evidence = FAULTS[fault]
    plant(around)
    said = await around.report()
    assert (said.code, said.cause) == (1, check), said.text
    assert evidence in said.finding(check)["how"]
    assert not any(secret in said.text for secret in SECRETS)


async def test_without_a_fault_nothing_fails_and_one_tiny_call_is_made(
    around: Surroundings,
) -> None:
    said = await around.report("--project", "craft")
    assert (said.code, said.cause) == (0, None), said.text
    (call,) = around.gateway.provider.calls
    assert call.body["metadata"]["project_id"] == "craft"
    assert call.body["max_tokens"] <= 24
    assert said.fields["calls"] == 1
    assert said.finding("langfuse_keys")["what"].endswith("project observed.")


async def test_with_no_spend_no_model_is_asked(around: Surroundings) -> None:
    said = await around.report("--no-spend")
    assert (said.code, said.fields["calls"], around.gateway.provider.calls) == (0, 0, [])
    assert {said.verdicts()[name] for name in ("call", "streaming", "attribution")} == {"skipped"}


async def test_what_needs_a_check_that_failed_is_skipped_for_its_sake(
    around: Surroundings,
) -> None:
    around.changes["LLM_GATEWAY_URL"] = f"{CLOSED}/v1"
    said = await around.report()
    for name in ("gateway_ready", "gateway_key", "default_model", "call", "streaming", "service"):
        finding = said.finding(name)
        assert finding["verdict"] == "skipped"
        assert finding["what"] == "because gateway_reachable failed"
    assert said.verdicts()["langfuse_keys"] == "ok", "what does not need it is looked at"


async def test_all_is_well_with_the_real_gateway_and_the_service_itself(
    gateway: RunningGateway, around: Surroundings
) -> None:
    ask_the_real(gateway, around)
    async with serving_alone(settings_for(gateway.url, gateway.key)) as service:
        around.changes["PORT"] = service.url.rpartition(":")[2]
        said = await around.report()
    verdicts = said.verdicts()
    assert {verdicts.pop("redis_reachable"), verdicts.pop("redis_writes")} == {"skipped"}
    assert set(verdicts.values()) == {"ok"}, said.text
    assert said.code == 0


def ask_the_real(gateway: RunningGateway, around: Surroundings) -> None:
    around.gateway.url = gateway.url.removesuffix("/v1")
    around.changes |= {"LLM_DEFAULT_MODEL": "drip-20", "LLM_FALLBACK_MODELS": "claude-opus-4-8"}


async def test_the_real_gateway_with_another_key_or_model_is_told_apart(
    gateway: RunningGateway, around: Surroundings
) -> None:
    ask_the_real(gateway, around)
    around.changes["LLM_DEFAULT_MODEL"] = "gone"
    assert (await around.report()).cause == "default_model"
    around.changes["LLM_GATEWAY_API_KEY"] = "sk-of-yesterday-7d1f"
    said = await around.report()
    assert said.cause == "gateway_key"
    assert "sk-of-yesterday-7d1f" not in said.text


async def test_a_stream_that_is_held_up_on_the_way_is_found(
    gateway: RunningGateway, around: Surroundings
) -> None:
    ask_the_real(gateway, around)
    async with proxy(around.gateway.url) as url:
        around.changes["LLM_GATEWAY_URL"] = f"{url}/v1"
        said = await around.report()
    assert (said.code, said.cause) == (1, "streaming"), said.text
    assert said.finding("streaming")["how"].startswith("20 pieces")


async def test_metadata_that_is_lost_on_the_way_is_found_and_not_taken_for_a_failed_call(
    gateway: RunningGateway, around: Surroundings
) -> None:
    ask_the_real(gateway, around)
    async with proxy(around.gateway.url, drops="metadata") as url:
        around.changes["LLM_GATEWAY_URL"] = f"{url}/v1"
        said = await around.report()
    assert (said.code, said.cause) == (1, "attribution"), said.text
    assert "attribution_missing" in said.finding("attribution")["how"]


async def test_a_call_that_fails_is_not_made_again(
    gateway: RunningGateway, around: Surroundings, provider: RunningProvider
) -> None:
    ask_the_real(gateway, around)
    around.changes["LLM_DEFAULT_MODEL"] = "status-500"
    before = len(asked_for_status_500(provider))
    assert (await around.report()).cause == "call"
    assert len(asked_for_status_500(provider)) - before == 1


async def test_an_answer_that_is_slow_is_no_failure(around: Surroundings) -> None:
    around.gateway.aliases = ("drip", "claude-ok")
    around.changes["LLM_DEFAULT_MODEL"] = "drip"
    said = await around.report()
    assert (said.code, said.cause) == (0, None)
    verdicts = said.verdicts()
    assert (verdicts["call"], verdicts["streaming"]) == ("unknown", "ok")
    assert verdicts["attribution"] == "skipped"
    (call,) = around.gateway.provider.calls
    assert call.aborted


def asked_for_status_500(provider: RunningProvider) -> list[object]:
    calls = provider.seen.for_prompt("Count from one to twelve, in words.")
    return [call for call in calls if call.body["model"] == "status-500"]


async def test_a_service_that_is_not_ready_says_why(around: Surroundings) -> None:
    gateway_elsewhere = settings_for(f"{CLOSED}/v1")
    async with serving_alone(gateway_elsewhere) as service:
        around.changes["PORT"] = service.url.rpartition(":")[2]
        said = await around.report("--no-spend")
    assert (said.cause, said.code) == ("service", 1)
    assert "gateway_unavailable" in said.finding("service")["what"]


@NO_REDIS
async def test_a_redis_that_answers_is_told_from_one_that_takes_no_writes_and_one_that_hangs(
    around: Surroundings, tmp_path: Path
) -> None:
    async with running_redis(tmp_path) as redis:
        around.changes["REDIS_URL"] = redis.url
        verdicts = (await around.report("--no-spend")).verdicts()
        assert verdicts["redis_reachable"] == verdicts["redis_writes"] == "ok"
        await configured(redis.port, "replicaof 127.0.0.1 9")
        assert (await around.report("--no-spend")).cause == "redis_writes"
        await redis.pause()
        assert (await around.report("--no-spend")).cause == "redis_reachable"
        redis.go_on()


async def configured(port: int, command: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"auth {PASSWORD}\r\n{command}\r\n".encode())
    said = [await reader.readline() for _ in range(2)]
    writer.close()
    assert said == [b"+OK\r\n"] * 2


@NO_REDIS
async def test_a_redis_that_wants_another_password_is_told_and_the_password_is_not(
    around: Surroundings, tmp_path: Path
) -> None:
    async with running_redis(tmp_path) as redis:
        await configured(redis.port, "config set requirepass right-4d1c9a")
        around.changes["REDIS_URL"] = f"redis://:wrong-77f0b2@127.0.0.1:{redis.port}/0"
        said = await around.report("--no-spend")
    assert said.cause == "redis_reachable"
    assert "password" in said.finding("redis_reachable")["what"]
    assert "wrong-77f0b2" not in said.text


async def test_whoever_never_answers_is_given_up_in_time_and_named(around: Surroundings) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hang)
    async with listening(app) as url:
        for name in ("LANGFUSE_HOST", "KEYCLOAK_JWKS_URL", "OPENFGA_API_URL"):
            around.changes[name] = url
        around.changes["LLM_GATEWAY_URL"] = f"{url}/v1"
        async with asyncio.timeout(25):
            said = await around.report()
    assert said.cause == "gateway_reachable"
    for name in ("gateway_reachable", "langfuse_reachable", "realm_keys", "openfga_store"):
        assert "does not answer within 4 s" in said.finding(name)["what"]


async def test_senseless_variables_are_all_named_and_nothing_else_is_asked(
    around: Surroundings,
) -> None:
    around.changes |= {"LLM_GATEWAY_URL": "", "LLM_CLIENT": "httpx"}
    said = await around.report()
    assert (said.code, said.cause) == (2, "variables")
    named = [finding["what"].partition(":")[0] for finding in said.fields["findings"]]
    assert named == ["LLM_GATEWAY_URL", "LLM_CLIENT"]
    assert around.realm.fetches == 0


async def test_an_empty_value_is_explained_by_what_empties_it_on_the_platform(
    around: Surroundings,
) -> None:
    said = await report(around.environment() | {"KEYCLOAK_AUDIENCE": ""})
    assert (said.code, said.cause) == (2, "variables")
    assert "a plain `env` entry hides" in said.finding("variables")["what"]
    said = await report(around.environment() | {"OPENFGA_API_TOKEN": ""}, "--no-spend")
    assert said.finding("variables")["verdict"] == "unknown"
    assert said.code == 0


async def test_a_key_with_a_line_break_is_let_pass_at_its_end_and_refused_within(
    around: Surroundings,
) -> None:
    around.changes["LLM_GATEWAY_API_KEY"] = f"{MASTER_KEY}\n"
    said = await around.report("--no-spend")
    assert said.code == 0
    assert "LLM_GATEWAY_API_KEY ends in a line break" in said.finding("variables")["what"]
    around.changes["LLM_GATEWAY_API_KEY"] = f"{MASTER_KEY}\nsk-second"
    said = await around.report("--no-spend")
    assert (said.code, said.cause) == (2, "variables")


async def test_in_a_pod_it_says_what_to_do_with_kubectl_and_on_a_laptop_with_make(
    around: Surroundings,
) -> None:
    around.gateway.refusal = 401, "auth_error"
    assert "make gateway" in (await around.report()).finding("gateway_key")["mend"]
    around.changes |= {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "SOLUTION": "jokes"}
    said = await around.report()
    assert said.fields["place"] == "pod"
    assert re.match(
        r"kubectl -n \S+ rollout restart deployment/jokes-api", said.finding("gateway_key")["mend"]
    )


async def test_a_person_reads_the_cause_in_the_first_line_on_80_columns_without_colour(
    around: Surroundings,
) -> None:
    around.gateway.refusal = 401, "auth_error"
    code, out, err = await said(around.environment())
    first, *lines = out.splitlines()
    assert (code, err) == (1, "")
    assert first == "gateway_key: The gateway refuses this service's key."
    assert "\x1b" not in out
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("failed")] == [f"failed   {first}"]
    assert any(line.startswith("  mend   export LLM_GATEWAY_API_KEY=") for line in lines)


async def test_a_terminal_that_knows_no_more_than_ascii_is_no_reason_to_fail(
    around: Surroundings,
) -> None:
    around.gateway.refusal = 401, "auth_error"
    code, out, err = await said(around.environment() | {"PYTHONIOENCODING": "ascii"})
    assert (code, err) == (1, "")
    assert out.isascii()


async def test_ctrl_c_ends_it_at_once_and_without_a_traceback(around: Surroundings) -> None:
    arrived = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        arrived.set()
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    app = web.Application()
    app.router.add_get("/health/readiness", hang)
    async with listening(app) as url:
        around.changes["LLM_GATEWAY_URL"] = f"{url}/v1"
        process = await asyncio.create_subprocess_exec(
            *DOCTOR,
            env=around.environment(),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await asyncio.wait_for(arrived.wait(), 20)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out, err) == (130, b"", b"stopped\n")


async def test_a_project_that_could_not_be_one_is_refused_before_anything_is_asked(
    around: Surroundings,
) -> None:
    code, out, err = await said(around.environment(), "--project", "two words")
    assert (code, out) == (2, "")
    assert "letters, digits" in err
    assert around.realm.fetches == 0
