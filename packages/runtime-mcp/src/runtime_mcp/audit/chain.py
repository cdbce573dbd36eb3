"""The chain: each row's hash covers the row and the hash before it, so an edit or a gap shows.

With a key nobody who has the database alone can write a chain that holds.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

START = "0" * 64
"""What stands before the first row of a writer."""


def link(row: Mapping[str, Any], key: bytes = b"") -> str:
    """The hash of a row over all its columns but `hash`, in the order of their names.

    Args:
        key: HMAC-SHA-256 with it; SHA-256 where it is empty.
    """
    covered = {name: row[name] for name in row if name != "hash"}
    written = msgspec.json.encode(covered, order="sorted")
    if key:
        return hmac.new(key, written, hashlib.sha256).hexdigest()
    return hashlib.sha256(written).hexdigest()
