"""A store of an OpenFGA: the model in it, the tuples, and what follows from both."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from identity.json_http import request

HERE = Path(__file__).parent
STORE = "craft"


@dataclass(frozen=True)
class Store:
    """
    Attributes:
        url: of the OpenFGA, without a path.
        token: what it wants as a bearer token, or None.
    """

    url: str
    token: str | None
    id: str

    @classmethod
    def loaded(cls, url: str, token: str | None) -> Self:
        """The store, with the model and the demo tuples in it; made when it is not there."""
        known = request("GET", f"{url}/stores?name={STORE}", token=token)["stores"]
        made = known[0] if known else request("POST", f"{url}/stores", {"name": STORE}, token=token)
        store = cls(url, token, made["id"])
        if not store.ask("GET", "/authorization-models?page_size=1")["authorization_models"]:
            store.ask("POST", "/authorization-models", json.loads(read("model.json")))
        for key in json.loads(read("tuples.json")):
            store.write(**key)
        return store

    def write(self, user: str, relation: str, object: str) -> None:  # noqa: A002
        key = {"user": user, "relation": relation, "object": object}
        self.ask("POST", "/write", {"writes": {"tuple_keys": [key], "on_duplicate": "ignore"}})

    def delete(self, user: str, relation: str, object: str) -> None:  # noqa: A002
        key = {"user": user, "relation": relation, "object": object}
        self.ask("POST", "/write", {"deletes": {"tuple_keys": [key], "on_missing": "ignore"}})

    def allows(self, user: str, relation: str, object: str) -> bool:  # noqa: A002
        key = {"user": user, "relation": relation, "object": object}
        return bool(self.ask("POST", "/check", {"tuple_key": key})["allowed"])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return request(method, f"{self.url}/stores/{self.id}{path}", body, token=self.token)


def read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
