"""Which models the real gateway lets a caller use, and what it says of the others."""

import json
from collections.abc import Callable

import pytest

from api.errors import ModelNotAllowed
from api.gateway.error_table import error_of_body
from asking import PROJECT_KEYS, Caller, Said

NARROW = PROJECT_KEYS["narrow"]
Keyed = Callable[[str], Caller]


def listed(said: Said) -> list[str]:
    assert said.status == 200
    return [model["id"] for model in json.loads(said.text)["data"]]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unlisted_model_is_refused_with_what_is_allowed(
    service: Caller, stream: bool
) -> None:
    said = await service.ask("nosuch", stream=stream)
    assert said.error == (400, "model_not_allowed")
    assert said.message.startswith("Model not allowed")
    assert "gemini-3.5-flash" in said.message
    assert "nosuch" not in said.message


async def test_the_service_knows_it_for_what_it_is(service: Caller) -> None:
    said = await service.ask("nosuch")
    error = error_of_body(said.status, said.text.encode(), {})
    assert isinstance(error, ModelNotAllowed)


async def test_a_project_has_a_list_of_its_own(with_key: Keyed) -> None:
    narrow = with_key(NARROW)
    said = await narrow.ask("priced", project="narrow")
    assert (said.error, said.message) == (
        (400, "model_not_allowed"),
        "Model not allowed. Allowed are: ok",
    )
    assert (await narrow.ask("ok", project="narrow")).status == 200


async def test_the_list_of_a_project_also_binds_the_services_key(service: Caller) -> None:
    assert (await service.ask("priced", project="narrow")).error == (400, "model_not_allowed")


async def test_the_models_that_are_shown_are_those_that_may_be_used(
    with_key: Keyed, service: Caller
) -> None:
    assert listed(await with_key(NARROW).send("GET", "/v1/models")) == ["ok"]
    assert {"ok", "priced"} < set(listed(await service.send("GET", "/v1/models")))


@pytest.mark.parametrize(
    "way",
    [{"fallbacks": ["priced"]}, {"model": "ok,priced"}, {"model": ["ok"]}, {"model": "openai/ok"}],
    ids=["fallbacks", "several", "list", "provider"],
)
async def test_there_is_no_way_round_the_list(service: Caller, way: dict[str, object]) -> None:
    assert (await service.ask(project="narrow", **way)).status == 400  # type: ignore[arg-type]


async def test_a_call_without_sense_closes_the_gateway_for_nobody(service: Caller) -> None:
    for nonsense in ({"model": ["ok"]}, {"model": {"a": 1}}, {"model": None}, {"metadata": [1]}):
        assert (await service.ask(**nonsense)).status >= 400
        assert (await service.ask()).status == 200
