"""Pages of other origins: those that are named may call and read; the others are told nothing."""

from typing import Any

import pytest

from chassis.http.cors import EXPOSED, TAKEN
from conftest import RunningProvider
from running import serving, settings_for

GOOD = "https://good.example"
LOCAL = "http://localhost:5173"
FOREIGN = [
    "https://evil.example",
    "https://good.example.evil.example",
    "https://evil-good.example",
    "https://sub.good.example",
    "https://good.example.",
    "https://good.example:444",
    "https://good.example:443",
    "http://good.example",
    "https://GOOD.example",
    "https://good.example/",
    "https://good.example, https://evil.example",
    "http://localhost:5174",
    "http://localhost",
    "null",
    "*",
]
ROUTES = [
    ("POST", "/llm/complete"),
    ("POST", "/llm/stream"),
    ("GET", "/llm/stream"),
    ("GET", "/llm/test"),
    ("GET", "/llm/models"),
    ("GET", "/health/ready"),
]
SAFELISTED = {"cache-control", "content-length", "content-type"}
"""A browser shows these to every page that may read the answer. Source: WHATWG Fetch."""
FOR_THE_BROWSER = {
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-security-policy",
    "cross-origin-resource-policy",
    "date",
    "referrer-policy",
    "server",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
}


def settings(provider: RunningProvider, **changes: Any) -> Any:
    return settings_for(provider.url, cors_allow_origins=(GOOD, LOCAL), **changes)


def allowed(response: Any) -> str | None:
    """The one origin that may read this answer; nobody's cookies ever go along."""
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "Origin" in ", ".join(response.headers.getall("Vary"))
    origins = response.headers.getall("Access-Control-Allow-Origin", [])
    assert len(origins) <= 1
    return origins[0] if origins else None


async def preflight(service: Any, path: str, origin: str, method: str, headers: str = "") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    async with service.http.options(service.url + path, headers=asked) as r:
        await r.read()
        return r


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_page_that_is_named_may_ask_every_route_with_every_header(
    provider: RunningProvider, method: str, path: str
) -> None:
    async with serving(settings(provider)) as service:
        for origin in (GOOD, LOCAL):
            for headers in ("", ",".join(TAKEN).lower(), *TAKEN):
                r = await preflight(service, path, origin, method, headers)
                assert (r.status, allowed(r)) == (200, origin)
                assert r.headers["Access-Control-Allow-Methods"] == "GET, POST"


@pytest.mark.parametrize("origin", FOREIGN)
async def test_another_origin_is_told_nothing_however_much_it_looks_like_one_that_is_named(
    provider: RunningProvider, origin: str
) -> None:
    before = len(provider.seen.calls)
    async with serving(settings(provider)) as service:
        for method, path in ROUTES:
            r = await preflight(service, path, origin, method, "x-project-id")
            assert (r.status, allowed(r)) == (400, None)
            headers = {"Origin": origin, "X-Project-ID": "demo"}
            body: dict[str, Any] = {"json": {"prompt": "hi"}} if method == "POST" else {}
            async with service.http.request(
                method, service.url + path, headers=headers, **body
            ) as r:
                assert (r.status, (await r.json())["code"]) == (403, "foreign_page")
                assert allowed(r) is None
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE", "post"])
async def test_a_method_that_no_route_has_is_refused_before_it_is_used(
    provider: RunningProvider, method: str
) -> None:
    async with serving(settings(provider)) as service:
        r = await preflight(service, "/llm/complete", GOOD, method)
    assert r.status == 400


@pytest.mark.parametrize("header", ["Cookie", "X-Forwarded-For", "LiteLLM-Metadata", "Host"])
async def test_a_header_that_no_route_reads_is_refused_before_it_is_sent(
    provider: RunningProvider, header: str
) -> None:
    async with serving(settings(provider)) as service:
        r = await preflight(service, "/llm/complete", GOOD, "POST", f"X-Project-ID, {header}")
    assert r.status == 400


@pytest.mark.parametrize(
    ("method", "path", "asked", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/llm/complete", {}, 405),
        ("POST", "/llm/complete", {"json": {"prompt": "hi"}, "project": None}, 400),
        ("POST", "/llm/complete", {"json": {}}, 422),
        ("POST", "/llm/complete", {"json": {"prompt": "x" * 9000}}, 413),
        ("POST", "/llm/complete", {"json": {"prompt": "hi", "model": "status-400"}}, 400),
        ("POST", "/llm/stream", {"json": {"prompt": "hi", "model": "status-429-after-60"}}, 429),
        ("GET", "/llm/stream", {"params": {"prompt": "hi"}, "project": None}, 400),
    ],
)
async def test_a_page_that_is_named_can_read_why_it_was_refused(
    provider: RunningProvider, method: str, path: str, asked: dict[str, Any], status: int
) -> None:
    asked = dict(asked)
    project = asked.pop("project", "demo")
    headers = {"Origin": GOOD} | ({"X-Project-ID": project} if project else {})
    async with serving(settings(provider, max_body_bytes=8192)) as service:
        url = service.url + path
        async with service.http.request(method, url, headers=headers, **asked) as r:
            assert (r.status, (await r.json())["status"]) == (status, status)
    assert allowed(r) == GOOD


async def test_what_a_page_gets_to_see_is_what_answers_carry(provider: RunningProvider) -> None:
    carried: set[str] = set()
    exposed: set[str] = set()
    headers = {"Origin": GOOD, "X-Project-ID": "demo"}
    calls = [
        ("/llm/complete", {"prompt": "exposed"}),
        ("/llm/complete", {"prompt": "exposed"}),
        ("/llm/stream", {"prompt": "exposed"}),
        ("/llm/stream", {"prompt": "exposed", "model": "status-429-after-60"}),
    ]
    async with serving(settings(provider)) as service:
        for path, body in calls:
            named = headers | {"Idempotency-Key": f"exposed-{body.get('model')}"}
            async with service.http.post(service.url + path, json=body, headers=named) as r:
                await r.read()
            carried |= {name.lower() for name in r.headers}
            exposed |= set(r.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed == set(EXPOSED)
    told = {name.lower() for name in EXPOSED} - {"www-authenticate"}
    assert carried - SAFELISTED - FOR_THE_BROWSER == told


async def test_without_named_origins_nothing_is_said_to_any(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        r = await preflight(service, "/llm/complete", GOOD, "POST")
    assert r.status == 403
    assert not [name for name in r.headers if name.startswith("Access-Control")]
