"""The chain: each row's hash covers the row and the hash before it, so an edit or a gap shows."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

START = "0" * 64
"""What stands before the first row of a writer."""


def link(row: Mapping[str, Any]) -> str:
    """The hash of a row: SHA-256 over all its columns but `hash`, in the order of their names."""
    covered = {name: row[name] for name in sorted(row) if name != "hash"}
    return hashlib.sha256(msgspec.json.encode(covered, order="sorted")).hexdigest()
