"""`/docs` from this process alone: FastAPI's own page is blank where no CDN can be reached."""

import re
from base64 import b64encode
from hashlib import sha256
from os import PathLike, stat_result
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

ASSETS = "/docs/assets"
INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of the realm",
}


class Assets(StaticFiles):
    """Swagger UI's own files: they are nobody's, so a browser may keep them and ask for news."""

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_docs(app: FastAPI) -> None:
    """Adds Swagger UI at `/docs`, with the assets that the package fastapi-swagger carries."""

    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"tryItOutEnabled": True},
        )
        page.headers.update(headers_of(bytes(page.body)))
        return page

    app.add_api_route("/docs", docs, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount(ASSETS, Assets(packages=[("fastapi_swagger", "resources")]))


def headers_of(page: bytes) -> dict[str, str]:
    """What this page may load and do: what is its own, and the scripts that stand in it."""
    inline = (b64encode(sha256(script).digest()).decode() for script in INLINE.findall(page))
    scripts = " ".join(f"'sha256-{digest}'" for digest in inline)
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self' {scripts}; style-src 'self'; "
            "img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
    }


def ask_for_tokens(app: FastAPI) -> None:
    """Has the document ask a token for each route but those that say `security: []` themselves."""
    openapi = app.openapi

    def with_tokens() -> dict[str, Any]:
        document = openapi()
        document["components"]["securitySchemes"] = {"token": TOKEN}
        document["security"] = [{"token": []}]
        return document

    # 1. FastAPI's own way to change the document; as a dependency it would cost every request.
    app.openapi = with_tokens  # type: ignore[method-assign]
