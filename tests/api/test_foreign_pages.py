"""Without tokens: what a page of another site asks for is refused, what a person asks is not."""

from typing import Any

import pytest

from chassis.addresses import is_loopback
from chassis.http.same_site import name_in
from conftest import RunningProvider
from running import Service, asking_for_tokens, serving, settings_for

NAMED = "https://ui.example"
STREAM = "/llm/stream?project_id=demo&prompt=foreign"
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


async def asked(service: Service, path: str, headers: dict[str, str]) -> Any:
    async with service.http.get(service.url + path, headers=headers) as r:
        await r.read()
        return r


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "a-new-kind"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "10.0.0.1"},
        {"Host": "[::2]:8000"},
        {"Host": "["},
        {"Host": ""},
        {"Host": "evil.example", "Origin": NAMED},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        NAVIGATION,
    ],
)
async def test_a_page_of_another_site_gets_no_stream_and_no_call_is_made(
    provider: RunningProvider, headers: dict[str, str]
) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url, cors_allow_origins=(NAMED,))) as service:
        r = await asked(service, STREAM, headers)
        assert (r.status, (await r.json())["code"]) == (403, "foreign_page")
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": NAMED},
        {"Origin": NAMED},
        {"Host": "localhost:8000", "Origin": "http://localhost:8000"},
        {"Host": "LOCALHOST"},
        {"Host": "api.localhost:8000"},
        {"Host": "127.0.0.2"},
        {"Host": "[::1]:8000"},
    ],
)
async def test_a_person_a_tool_the_services_own_page_and_one_that_is_named_get_theirs(
    provider: RunningProvider, headers: dict[str, str]
) -> None:
    async with serving(settings_for(provider.url, cors_allow_origins=(NAMED,))) as service:
        r = await asked(service, STREAM, headers)
    assert r.status == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_link_may_lead_to_the_docs_but_no_script_may_fetch_them(
    provider: RunningProvider, path: str
) -> None:
    async with serving(settings_for(provider.url)) as service:
        assert (await asked(service, path, NAVIGATION)).status == 200
        assert (await asked(service, path, NAVIGATION | {"Host": "evil.example"})).status == 403
        no_link = NAVIGATION | {"Sec-Fetch-Mode": "no-cors"}
        assert (await asked(service, path, no_link)).status == 403


async def test_off_the_loopback_the_service_goes_by_any_name_but_is_for_no_foreign_page(
    provider: RunningProvider,
) -> None:
    settings = settings_for(provider.url).model_copy(update={"host": "0.0.0.0"})
    async with serving(settings) as service:
        assert (await asked(service, STREAM, {"Host": "service.internal"})).status == 200
        assert (await asked(service, STREAM, {"Origin": "https://evil.example"})).status == 403


async def test_with_tokens_it_is_the_token_that_counts(provider: RunningProvider) -> None:
    settings = asking_for_tokens(settings_for(provider.url))
    async with serving(settings) as service:
        assert (await asked(service, "/health", {"Host": "llm.example"})).status == 200
        assert (await asked(service, "/health", NAVIGATION)).status == 200


def test_a_host_header_is_read_as_a_browser_reads_an_address() -> None:
    assert name_in("localhost:8000") == "localhost"
    assert name_in("[::1]:8000") == "::1"
    assert name_in("localhost@evil.example") == "evil.example"
    assert not is_loopback("2130706433"), "no browser sends the number like this"
    assert not is_loopback("")
