"""What is measured: how each target is started, what it is asked, and how its answers are read.

The snippet starts as its page would start it; ours start as they do everywhere, with their default
log level. A snippet on the network would also fetch litellm's price map at import: that is spared.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.fake_gateway import MODEL, words

ANSWER_WORDS = 16
KEPT_FROM_THIS_ENVIRONMENT = ("PATH", "HOME", "LANG", "PYTHONPATH", "LD_LIBRARY_PATH")

Events = Callable[[bytes], list[str]]


@dataclass(frozen=True)
class Target:
    """One row of the table."""

    name: str
    port: int
    command: tuple[str, ...]
    env: dict[str, str]
    live: str
    complete_path: str
    stream_path: str
    body: Callable[[str, bool], dict[str, Any]]
    deltas: Events

    def request(self, count: int, *, stream: bool) -> bytes:
        """The bytes of a request for an answer of `count` words."""
        body = json.dumps(self.body(f"Say {count} words.", stream)).encode()
        lines = [
            f"POST {self.stream_path if stream else self.complete_path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/json",
            "X-Project-ID: bench",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def wrong_answer(self, body: bytes) -> str | None:
        """What is wrong with a whole answer of ANSWER_WORDS words, if anything."""
        whole = "".join(words(ANSWER_WORDS)).encode()
        return None if whole in body else "not the whole text"

    def wrong_stream(self, count: int) -> Callable[[bytes], str | None]:
        """A check of a whole streamed answer of `count` words."""

        def wrong(body: bytes) -> str | None:
            deltas = self.deltas(body)
            if deltas == words(count):
                return None
            return f"{len(deltas)} deltas for {count} chunks, or not in their order"

        return wrong


def data_lines(body: bytes) -> list[str]:
    lines = body.decode().replace("\r\n", "\n").split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def gateway_deltas(body: bytes) -> list[str]:
    chunks = [json.loads(data) for data in data_lines(body) if data != "[DONE]"]
    deltas = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    return [text for text in deltas if text]


def service_deltas(body: bytes) -> list[str]:
    """The texts of the contract's delta events; none unless the stream ended with `done`."""
    events = [event for event in body.decode().replace("\r\n", "\n").split("\n\n") if event]
    if not events or "event: done" not in events[-1]:
        return []
    sent = [event.encode() for event in events if "event: delta" in event]
    return [json.loads(data_lines(event)[0])["text"] for event in sent]


def gateway_body(prompt: str, stream: bool) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": stream}


def service_body(prompt: str, _stream: bool) -> dict[str, Any]:
    return {"prompt": prompt}


def clean_environment(gateway_port: int) -> dict[str, str]:
    """The environment of every service: nothing of this one but what Python needs to run."""
    kept = {name: os.environ[name] for name in KEPT_FROM_THIS_ENVIRONMENT if name in os.environ}
    return kept | {
        "LLM_GATEWAY_URL": f"http://127.0.0.1:{gateway_port}/v1",
        "LLM_GATEWAY_API_KEY": "sk-bench",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def direct(port: int) -> Target:
    """The fake gateway itself: the limit of the load client and the machine."""
    path = "/v1/chat/completions"
    command = (sys.executable, "-m", "bench.fake_gateway", str(port))
    env = clean_environment(port)
    live = "/health/readiness"
    return Target("direct", port, command, env, live, path, path, gateway_body, gateway_deltas)


def snippet(port: int, gateway_port: int) -> Target:
    command = (sys.executable, "-m", "uvicorn", "bench.snippet:app", "--port", str(port))
    return service("snippet", port, command, clean_environment(gateway_port), data_lines)


def lane(name: str, port: int, gateway_port: int) -> Target:
    """The service with LLM_CLIENT=`name`."""
    own = {"LLM_CLIENT": name, "AUTH_MODE": "disabled", "HOST": "127.0.0.1", "PORT": str(port)}
    env = clean_environment(gateway_port) | own
    return service(name, port, (sys.executable, "-m", "api"), env, service_deltas)


def service(
    name: str, port: int, command: tuple[str, ...], env: dict[str, str], deltas: Events
) -> Target:
    paths = ("/health/live", "/llm/complete", "/llm/stream")
    return Target(name, port, command, env, *paths, service_body, deltas)
