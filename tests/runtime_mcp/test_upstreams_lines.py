"""Lines from a pipe: however they are cut, each comes out whole, or as too long for its sender."""

import json
import random

import pytest

from runtime_mcp.upstreams.stdio.lines import Line, Lines


def cut(text: bytes, most: int, seed: int) -> list[Line]:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    lines = Lines(most)
    found: list[Line] = []
    while text:
        size = chance.choice((1, 2, 7, 300, 5000))
        found += lines.of(text[:size])
        text = text[size:]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_the_same_however_they_were_cut(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    texts = [b"x" * chance.choice((0, 1, 511, 600, 999, 1000, 1001, 9000)) for _ in range(50)]
    found = cut(b"\n".join(texts) + b"\n" + b"rest", 1000, seed)
    assert [line.is_too_long for line in found] == [len(text) > 1000 for text in texts]
    for line, text in zip(found, texts, strict=True):
        assert line.text == (text if len(text) <= 1000 else text[:256] + text[-256:])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_the_request_that_a_long_line_answers_is_found_at_either_end(
    seed: int, separators: tuple[str, str]
) -> None:
    long = {"content": [{"type": "text", "text": '"id":9}' + "x" * 20_000 + '{"id":9}'}]}
    for message in (
        {"jsonrpc": "2.0", "id": 5, "result": long},
        {"id": 5, "jsonrpc": "2.0", "result": long},
        {"result": long, "jsonrpc": "2.0", "id": 5},
        {"jsonrpc": "2.0", "result": long, "id": 5},
        {"result": long, "id": 5, "jsonrpc": "2.0"},
    ):
        text = json.dumps(message, separators=separators).encode() + b"\n"
        (line,) = cut(text, 4096, seed)
        assert (line.is_too_long, line.id_of_message()) == (True, 5)


@pytest.mark.parametrize("end", ['"id":9}', '"}}', '{"id":9}}}', ""])
def test_what_says_no_id_of_its_own_has_none(end: str) -> None:
    (line,) = cut(b'{"result":{"text":"' + b"x" * 9000 + b'",' + end.encode() + b"}\n", 4096, 1)
    assert line.is_too_long
    assert line.id_of_message() is None
