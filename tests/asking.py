"""What a caller of the gateway itself does: one request, and what came back, whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from hearsay import heard
from marked import marked
from running import ATTRIBUTED

PROJECT_KEYS = {name: marked(f"project-{name}") for name in ("demo", "narrow")}


@dataclass(frozen=True)
class Said:
    """An answer of the gateway."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, str]:
        """Its status, and the type of its error object."""
        return self.status, json.loads(self.text)["error"]["type"]

    @property
    def message(self) -> str:
        return str(json.loads(self.text)["error"]["message"])

    @property
    def wait(self) -> int:
        return int(self.headers["retry-after"])


@dataclass(frozen=True)
class Caller:
    """One who has a key for a gateway.

    Attributes:
        url: ends in `/v1`.
    """

    http: aiohttp.ClientSession
    url: str
    key: str

    async def send(self, method: str, path: str, body: Any = None) -> Said:
        headers = {"Authorization": f"Bearer {self.key}"}
        url = self.url.removesuffix("/v1") + path
        async with self.http.request(method, url, json=body, headers=headers) as response:
            said = Said(response.status, response.headers, await response.text())
        heard("gateway's answers", said)
        return said

    async def usage(self, **query: str) -> Said:
        """What is booked."""
        return await self.send("GET", f"/v1/usage?{urlencode(query)}")

    async def ask(self, model: str = "ok", project: str | None = "demo", **more: Any) -> Said:
        """A completion; for None there is nothing in the metadata of whose it is."""
        return await self.send("POST", "/v1/chat/completions", completion(model, project) | more)

    def opened(self, model: str, project: str) -> Any:
        """A stream of which the reader decides how much of it there is."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = completion(model, project) | {"stream": True}
        return self.http.post(f"{self.url}/chat/completions", json=body, headers=headers)


def completion(model: str, project: str | None) -> dict[str, Any]:
    metadata = {} if project is None else ATTRIBUTED | {"project_id": project}
    messages = [{"role": "user", "content": "Where?"}]
    return {"model": model, "messages": messages, "metadata": metadata}
