"""The service keeps to its OpenAPI document, whatever is sent; many more cases: `integration/`."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fuzzing import OPERATIONS, PROBES, fuzz, fuzzed_api
from realm import AUDIENCE, running_realm

CASES = 50


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with fuzzed_api() as found:
        yield found


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_no_answer_is_outside_the_document(url: str, operation: str, tmp_path: Path) -> None:
    said = await fuzz(url, [operation], CASES, tmp_path, seed=random.randrange(2**32))  # noqa: S311
    assert (said.exit_code, said.failures) == (0, 0), said.words
    assert said.cases >= CASES


async def test_with_a_token_and_without_one_it_keeps_to_the_document_too(tmp_path: Path) -> None:
    async with running_realm() as realm:
        variables = {
            "AUTH_MODE": "keycloak",
            "KEYCLOAK_ISSUER_URL": realm.issuer,
            "KEYCLOAK_AUDIENCE": AUDIENCE,
        }
        async with fuzzed_api(**variables) as url:
            for headers in ({"Authorization": f"Bearer {realm.token()}"}, {}):
                said = await fuzz(url, OPERATIONS, 20, tmp_path, seed=2, headers=headers)
                assert (said.exit_code, said.failures) == (0, 0), said.words
                assert said.cases >= 20


async def test_the_probes_keep_to_the_document_too(url: str, tmp_path: Path) -> None:
    said = await fuzz(url, PROBES, CASES, tmp_path, seed=1)
    assert (said.exit_code, said.failures) == (0, 0), said.words
    assert said.cases >= len(PROBES)
