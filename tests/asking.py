"""What a caller of the gateway itself does: one request, and what came back, whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from running import ATTRIBUTED

PROJECT_KEYS = {"demo": "sk-project-demo-0001", "narrow": "sk-project-narrow-01"}


@dataclass(frozen=True)
class Said:
    """An answer of the gateway."""

    status: int
    headers: Mapping[str, str]
    text: str

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
            return Said(response.status, response.headers, await response.text())

    async def ask(self, model: str = "ok", project: str | None = "demo", **more: Any) -> Said:
        """A completion; for None there is nothing in the metadata of whose it is."""
        metadata = {} if project is None else ATTRIBUTED | {"project_id": project}
        messages = [{"role": "user", "content": "Where?"}]
        body = {"model": model, "messages": messages, "metadata": metadata} | more
        return await self.send("POST", "/v1/chat/completions", body)
