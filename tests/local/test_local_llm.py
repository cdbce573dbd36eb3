"""The local LLM is a real model: it knows a capital, repeats itself, and counts its tokens."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.run.ports import free_port
from local.run.supervision import Supervision

PYTHON = Path(__file__).parents[2] / ".venv-gateway" / "bin" / "python"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    command = [str(PYTHON), "-m", "local.local_llm", "--port", str(port)]
    with Supervision(tmp_path_factory.mktemp("local-llm")) as supervision:
        process = supervision.start("local LLM", command, {})
        supervision.wait_until_ready(process, port, ["/health"], seconds=30)
        yield port


def get(port: int, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def ask(port: int, question: str) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": question}], "max_tokens": 16}
    status, text = get(port, "/v1/chat/completions", body)
    assert status == 200
    answer: dict[str, Any] = json.loads(text)
    return answer


def counted(port: int) -> tuple[float, float]:
    """The tokens that went in and came out since the start, as the server counts them."""
    status, text = get(port, "/metrics")
    assert status == 200
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    count = {name.removeprefix("llamacpp:"): float(value) for name, value in lines}
    read = count["prompt_tokens_total"] + count["prompt_tokens_cached_total"]
    return read, count["tokens_predicted_total"]


def test_it_knows_the_capital_of_france(port: int) -> None:
    answer = ask(port, "What is the capital of France?")
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == "smollm2-135m-instruct"


def test_the_same_question_gets_the_same_answer(port: int) -> None:
    first, second = (ask(port, "Write one sentence about tea.")["choices"] for _ in range(2))
    assert first == second


def test_usage_is_what_the_server_counted(port: int) -> None:
    read, written = counted(port)
    usage = ask(port, "What is the capital of Spain?")["usage"]
    assert counted(port) == (read + usage["prompt_tokens"], written + usage["completion_tokens"])


def start(python: Path | str, port: int) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "local.local_llm", "--port", str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_ends_when_its_port_is_taken(port: int) -> None:
    ended = start(PYTHON, port)
    assert ended.returncode == 1
    assert f"couldn't bind HTTP server socket, hostname: 127.0.0.1, port: {port}" in ended.stderr


def test_without_a_model_it_says_so_in_one_line() -> None:
    ended = start(sys.executable, free_port())
    assert ended.returncode == 1
    assert re.fullmatch(r"local LLM: .*\n", ended.stderr)
