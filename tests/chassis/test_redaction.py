"""No secret is in anything that the process writes, whatever is written, and whoever writes it."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from api.gateway.key import GatewayKey
from api.main import create_app
from chassis import redaction
from chassis.admission import Admission
from chassis.logs import configure_logs
from chassis.redaction import MASK, keep_out, redacted, redacting
from running import settings_for

SECRET = 'hunter"2\\of the/tests'
URL_PASSWORD = "p%40ss-of-redis"


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    before = list(redaction._known)
    keep_out(SECRET)
    keep_out(f"rediss://service:{URL_PASSWORD}@redis:6379/0")
    yield
    redaction._known[:] = before


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the log says of INFO and above; afterwards it is again as the other tests have it."""
    ours, root = structlog.get_config(), logging.getLogger()
    libraries, level = list(root.handlers), root.level
    out = io.StringIO()
    configure_logs("INFO", redacting(out))
    yield out
    structlog.configure(**ours)
    root.handlers[:] = libraries
    root.setLevel(level)


def line(written: io.StringIO) -> dict[str, Any]:
    (only,) = written.getvalue().splitlines()
    return dict(json.loads(only))


@pytest.mark.parametrize(
    "text",
    [
        f"the key is {SECRET}, is it not?",
        json.dumps({"deep": [{"in": SECRET}]}),
        repr({"deep": SECRET}),
        "/callback?next=hunter%222%5Cof%20the%2Ftests",
        "p@ss-of-redis",
        f"cannot reach redis at {URL_PASSWORD}",
        "redis://:another-password@redis:6379",
        "Authorization: Bearer abcdefgh12345678",
        "authorization: bearer abcdefgh12345678",
        "Basic cGstbGYtMTpzay1sZi0yMzQ1",
        "Incorrect API key provided: sk-proj-abcdefgh.",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
        "GET /llm/stream?prompt=hi&ticket=abcdefgh HTTP/1.1",
        "https://gemini/v1?key=AIzaSyabcdefgh",
        "https://service/?access_token=abcdefgh",
    ],
)
def test_a_secret_is_masked_by_its_value_or_by_its_form(text: str) -> None:
    masked = redacted(text)
    assert MASK in masked
    for part in ("hunter", "tests", "ss-of-redis", "abcdefgh", "another", "cGst", "eyJ", "c2ln"):
        assert part not in masked.replace("is it not", "")


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:4000/v1 is not reachable",
        "redis://redis:6379/0",
        "disk-bound work at risk-free prices: a basic understanding of bearer plants",
        '{"request_id":"41c1513a2cc685c5839dcc9e117b2bd2","input_tokens":27}',
        "project=demo model=gemini-3.5-flash",
    ],
)
def test_what_is_no_secret_stays_as_it_was_written(text: str) -> None:
    assert redacted(text) == text


def test_each_secret_of_the_settings_is_known_once_there_is_an_application() -> None:
    key, password = ("-".join(["known", "from", place]) for place in ("a-value", "a-url"))
    url = SecretStr(f"redis://:{password}@redis:6379/0")
    create_app(settings_for("http://127.0.0.1:9/v1", key, redis_url=url), Admission(1))
    assert redacted(f"{key} {password}") == f"{MASK} {MASK}"


async def test_a_renewed_key_is_known_from_its_first_use_on(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("the-first-value")
    key = GatewayKey.from_file(file)
    file.write_text("the-value-after-it")
    assert redacted(key.current()) == redacted("the-first-value") == MASK


def test_a_stream_has_no_way_round_the_mask() -> None:
    out = io.StringIO()
    redacting(out).write(f"the key is {SECRET}\n")
    redacting(out).writelines(["the key is ", SECRET, "\n"])
    print("the key is", SECRET, file=redacting(out))
    assert out.getvalue() == f"the key is {MASK}\n" * 3


def test_a_word_of_a_few_letters_is_not_taken_for_a_secret() -> None:
    keep_out("none")
    assert redacted("none of it") == "none of it"


NAMES = ["authorization", "Proxy-Authorization", "api_key", "x-api-key", "password", "token"]
NAMES += ["access_token", "client_secret", "Set-Cookie", "ticket", "master_key", "jwt"]
COUNTS = ["input_tokens", "output_tokens", "max_tokens", "total_tokens", "outcome", "key_file"]


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_under_a_secrets_name_is_masked_at_any_depth(
    written: io.StringIO, name: str
) -> None:
    deep = {name: "x", "list": [{name: ["x", {"y": "x"}]}], "pair": ({name: b"x"},)}
    structlog.get_logger().info("said", **{name: "x"}, deep=deep)
    said = line(written)
    assert said[name] == MASK
    expected = {name: MASK, "list": [{name: MASK}], "pair": [{name: MASK}]}
    assert said["deep"] == expected
    assert deep[name] == "x", "the caller's own object stays as it is"


def test_counts_of_tokens_are_no_tokens(written: io.StringIO) -> None:
    counts = dict.fromkeys(COUNTS, "12") | {"token": None}
    structlog.get_logger().info("said", **counts)
    assert counts.items() <= line(written).items()


def test_a_secret_in_a_message_an_object_or_an_exception_of_another_is_masked(
    written: io.StringIO,
) -> None:
    class Client:
        def __repr__(self) -> str:
            return f"Client(key={SECRET})"

    local = SECRET
    log = structlog.get_logger()
    try:
        try:
            raise ValueError(f"wrong key {local}")
        except ValueError as error:
            raise RuntimeError(f"no answer for {local}") from error
    except RuntimeError:
        log.exception(f"failed with {local}", client=Client(), seen=[{"sent": (local,)}])
    said = written.getvalue()
    assert said.count(MASK) >= 5
    assert "hunter" not in said
    exception = line(written)["exception"]
    assert "wrong key" in exception
    assert "no answer" in exception
    assert "Client(" not in exception, "a traceback shows no locals"


def test_a_librarys_line_has_the_same_form_from_warnings_on(written: io.StringIO) -> None:
    library = logging.getLogger("some.library")
    library.info("quotes a prompt")
    library.warning("refused: %s", {"authorization": SECRET}, extra={"token": SECRET})
    said = line(written)
    assert said["level"] == "warning"
    assert said["logger"] == "some.library"
    assert said["event"] == f"refused: {{'authorization': '{MASK}'}}"
    assert said["timestamp"]
    assert "hunter" not in written.getvalue()
