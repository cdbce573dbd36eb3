"""The look through all that was said in a run finds a secret, or half of one, in any form."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

import hearsay
from marked import RUN, marked, seen_in

SECRET = marked("of this test")


@pytest.mark.parametrize(
    "said",
    [
        SECRET,
        SECRET[: len(SECRET) // 2],
        SECRET[len(SECRET) // 2 :],
        f"{SECRET[:14]}...",
        quote(f"Bearer {SECRET}", safe=""),
        repr({"deep": [f"\n{SECRET}"]}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"u:{SECRET}".encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"us:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_is_found_and_the_place_is_named(tmp_path: Path, said: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "quiet.log").write_text("nothing\n")
    (tmp_path / "deep" / "api.log").write_text(f"a\nb\nkey={said}\n")
    assert seen_in(tmp_path)
    assert all(place.startswith("deep/api.log:3: key=") for place in seen_in(tmp_path))
    assert SECRET not in str(seen_in(tmp_path))


def test_what_is_no_secret_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_text(f"{RUN} sk-of-the-tests [secret] {'0123456789abcdef' * 999}")
    assert seen_in(tmp_path) == []


def test_two_secrets_of_a_run_differ_and_each_is_the_same_all_through_it() -> None:
    assert marked("a") == marked("a") != marked("b")


def test_what_processes_and_servers_say_is_where_the_look_goes(tmp_path: Path) -> None:
    file = tmp_path / "left.log"
    file.write_text("left behind by a process")
    hearsay.keep(file)
    hearsay.heard("a place", "said by a server")
    hearsay.Log().write("said by the log")
    kept = b"".join(path.read_bytes() for path in hearsay.FOLDER.iterdir())
    for said in (b"left behind by a process", b"said by a server", b"said by the log"):
        assert said in kept
