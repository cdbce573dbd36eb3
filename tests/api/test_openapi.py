"""The OpenAPI document, and the page that shows it without any other host."""

import re
from typing import Any

from conftest import RunningProvider
from running import Service, asking_for_tokens, serving, settings_for


async def document(service: Service) -> dict[str, Any]:
    async with service.http.get(service.url + "/openapi.json") as r:
        assert r.status == 200
        found: dict[str, Any] = await r.json()
        return found


async def test_every_reference_of_the_document_leads_somewhere(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        openapi = await document(service)
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(openapi)))
    assert references
    assert references <= openapi["components"]["schemas"].keys()
    assert "$defs" not in str(openapi)


async def test_every_llm_route_documents_its_project_and_its_failures(
    provider: RunningProvider,
) -> None:
    async with serving(settings_for(provider.url)) as service:
        openapi = await document(service)
    routes = {path: item for path, item in openapi["paths"].items() if path.startswith("/llm/")}
    assert routes.keys() == {
        *("/llm/complete", "/llm/stream", "/llm/stream-ticket", "/llm/test", "/llm/models"),
        "/llm/usage",
    }
    for item in routes.values():
        for operation in item.values():
            named = {parameter["name"].lower() for parameter in operation["parameters"]}
            assert named & {"x-project-id", "project_id"}
            for status in ("400", "401", "403", "422", "429", "502", "503", "504"):
                assert "application/problem+json" in operation["responses"][status]["content"]
    stream = routes["/llm/stream"]["post"]["responses"]["200"]
    assert set(stream["content"]) == {"text/event-stream"}
    body = routes["/llm/complete"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/CompletionRequest"}


async def test_every_route_but_the_probes_says_that_it_takes_a_token(
    provider: RunningProvider,
) -> None:
    with_tokens = asking_for_tokens(settings_for(provider.url))
    async with serving(with_tokens) as service:
        openapi = await document(service)
    scheme = openapi["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for path, item in openapi["paths"].items():
        for operation in item.values():
            security = operation.get("security", openapi["security"])
            assert security == ([] if path.startswith("/health") else [{"token": []}]), path


async def test_without_tokens_the_document_asks_for_none(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        openapi = await document(service)
    assert "security" not in openapi
    assert "securitySchemes" not in openapi["components"]


async def test_the_docs_page_asks_no_other_host(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with service.http.get(service.url + "/docs") as r:
            page = await r.text()
        assert r.status == 200
        assert "//" not in re.sub(r"<!--.*?-->", "", page).replace("</", "").replace("//\n", "")
        for asset in re.findall(r'(?:src|href)="([^"]+)"', page):
            async with service.http.get(service.url + asset) as r:
                assert r.status == 200
                assert len(await r.read()) > 500
