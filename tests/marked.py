"""The secrets of a run: each has the run's own word in both of its halves, and is known by it.

The word has no hexadecimal digit, so no id of a trace or a request can be taken for it.
"""

import base64
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
"""The same in all workers of a run."""


def word(text: str) -> str:
    """Ten letters for this text."""
    digest = hashlib.sha256(text.encode()).digest()
    return "".join("ghijklmnopqrstuvwxyz"[byte % 20] for byte in digest[:10])


WORD = word(RUN)


def marked(name: str) -> str:
    """This run's secret of that name; URL-encoded it is the same."""
    return f"sk-{WORD}-{word(RUN + name)}-{WORD}"


def in_base64(text: str) -> Iterator[str]:
    """What of the text is seen wherever it stands in something that is encoded."""
    for before in range(3):
        bits = range(8 * before, 8 * (before + len(text)))
        encoded = base64.b64encode(b"\0" * before + text.encode()).decode()
        yield encoded[-(-bits.start // 6) : bits.stop // 6]


SEEN = re.compile("|".join([WORD, *in_base64(WORD)]).encode())


def seen_in(folder: Path) -> list[str]:
    """Each place under the folder in which there is a secret of this run, or half of one.

    Returns:
        As `file:line: what stands before it`.
    """
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = file.read_bytes()
        for seen in SEEN.finditer(text):
            line = text.count(b"\n", 0, seen.start()) + 1
            before = text[: seen.start()].rpartition(b"\n")[2][-120:].decode(errors="replace")
            found.append(f"{file.relative_to(folder)}:{line}: {before}<a secret>")
    return found
