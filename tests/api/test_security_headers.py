"""What every answer tells a browser, whichever part of the service made it."""

import re
from typing import Any

import pytest
from fastapi import APIRouter

from conftest import RunningProvider
from running import Service, serving, serving_alone, settings_for

ORIGIN = "https://ui.example"
DEMO = {"X-Project-ID": "demo"}
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ANSWERS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/", {"allow_redirects": False}, 307),
    ("GET", "/health", {}, 200),
    ("HEAD", "/health/live", {}, 200),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/llm/complete", {}, 405),
    ("GET", "/nothing", {}, 404),
    ("GET", "/docs/assets/nothing.js", {}, 404),
    ("POST", "/llm/complete", {"json": {"prompt": "hi"}, "headers": DEMO}, 200),
    ("POST", "/llm/complete", {"json": {"prompt": "hi"}}, 400),
    ("POST", "/llm/complete", {"json": {}, "headers": DEMO}, 422),
    ("POST", "/llm/complete", {"json": {"prompt": "x" * 9000}, "headers": DEMO}, 413),
    (
        "POST",
        "/llm/complete",
        {"json": {"prompt": "hi", "model": "status-429-after-60"}, "headers": DEMO},
        429,
    ),
    ("POST", "/llm/stream", {"json": {"prompt": "hi"}, "headers": DEMO}, 200),
    ("GET", "/llm/stream?project_id=demo&prompt=hi", {}, 200),
    ("GET", "/llm/stream?project_id=demo&prompt=hi", {"headers": {"Last-Event-ID": "9"}}, 204),
    ("OPTIONS", "/llm/complete", {"headers": PREFLIGHT}, 200),
    ("OPTIONS", "/llm/complete", {"headers": PREFLIGHT | {"Origin": "null"}}, 400),
    ("GET", "/health", {"headers": {"Host": "rebound.example"}}, 403),
    ("GET", "/health", {"headers": {"X-Large": "x" * 66_000}}, 413),
    ("GET", "/broken", {}, 500),
]


def security_of(response: Any) -> dict[str, list[str]]:
    return {name: response.headers.getall(name, []) for name in ALWAYS}


@pytest.mark.parametrize(("method", "path", "asked", "status"), ANSWERS)
async def test_no_answer_goes_without_them(
    provider: RunningProvider, method: str, path: str, asked: dict[str, Any], status: int
) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    settings = settings_for(provider.url, cors_allow_origins=(ORIGIN,), max_body_bytes=8192)
    async with serving_alone(settings, router) as service:
        async with service.http.request(method, service.url + path, **asked) as r:
            await r.read()
    assert r.status == status
    assert security_of(r) == {name: [value] for name, value in ALWAYS.items()}


async def test_the_docs_page_loads_its_own_files_and_its_own_script_only(
    provider: RunningProvider,
) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with service.http.get(service.url + "/docs") as r:
            assert r.status == 200
    (policy,) = r.headers.getall("Content-Security-Policy")
    assert "unsafe" not in policy
    assert "*" not in policy
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert re.fullmatch(r"'self' 'sha256-[A-Za-z0-9+/]{43}='", directives.pop("script-src"))
    assert directives == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    rest = {name: [value] for name, value in ALWAYS.items() if name != "Content-Security-Policy"}
    assert security_of(r) == rest | {"Content-Security-Policy": [policy]}
    assert r.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in r.headers["Permissions-Policy"]


async def asset(service: Service, **headers: str) -> Any:
    url = service.url + "/docs/assets/swagger-ui.css"
    async with service.http.get(url, headers=headers) as r:
        await r.read()
        return r


async def test_a_file_of_the_docs_page_may_be_kept_and_is_asked_for_again(
    provider: RunningProvider,
) -> None:
    async with serving(settings_for(provider.url)) as service:
        first = await asset(service)
        second = await asset(service, **{"If-None-Match": first.headers["ETag"]})
    assert (first.status, second.status) == (200, 304)
    for r in (first, second):
        kept = {name: [value] for name, value in ALWAYS.items()} | {"Cache-Control": ["no-cache"]}
        assert security_of(r) == kept
