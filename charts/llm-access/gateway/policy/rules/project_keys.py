"""Who calls: the master key, or the key of a project from a mounted file.

The file says `project: key` in YAML or JSON. A change of it counts within two seconds; while it
cannot be used no project's key is good, and the master key is.
"""

import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from policy.refusal import Refusal

logger = logging.getLogger("gateway.policy")

LOOKS_EVERY = 1.0
SHORTEST_KEY = 16
MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Attributes:
        project: the only one that it speaks for; None speaks for all.
    """

    project: str | None


class KeyFileError(Exception):
    """The file cannot be used. The message has nothing of a key."""


@dataclass(slots=True)
class ProjectKeys:
    """The keys of the file, read again when it is another.

    Attributes:
        clock: seconds that only go forward.
    """

    path: Path | None
    master: str
    clock: Callable[[], float] = time.monotonic
    keys: Mapping[str, bytes] | None = field(default_factory=dict)
    seen: tuple[int, ...] | None = None
    looked: float = float("-inf")

    def current(self) -> Mapping[str, bytes] | None:
        """The key of each project; None while the file cannot be used."""
        if self.path is None or self.clock() - self.looked < LOOKS_EVERY:
            return self.keys
        self.looked = self.clock()
        try:
            state = os.stat(self.path)  # noqa: PTH116 - follows a mounted Secret's link, as it should
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if seen != self.seen:
                self.keys = parse(self.path.read_text(encoding="utf-8"), self.master)
                self.seen = seen
                logger.info("the keys of %d projects are read", len(self.keys))
        except (OSError, UnicodeDecodeError, KeyFileError) as error:
            if self.keys is not None:
                message = "no project's key is good until %s can be used: %s"
                logger.error(message, self.path, error)  # noqa: TRY400 - the error has all of it
            self.keys, self.seen = None, None
        return self.keys

    def caller(self, key: str) -> Caller:
        """
        Raises:
            Refusal: 401, or 503 while it cannot be told.
        """
        given = key.encode()
        keys = self.current()
        is_master = hmac.compare_digest(given, self.master.encode())
        found = None
        for project, good in (keys or {}).items():
            if hmac.compare_digest(given, good):
                found = project
        if is_master:
            return Caller(None)
        if found is not None:
            return Caller(found)
        if keys is None:
            raise Refusal(503, "keys_unavailable", "The keys of the projects cannot be read.", 5)
        raise Refusal(401, "auth_error", "Authentication Error: this key is not known.")


def parse(text: str, master: str) -> dict[str, bytes]:
    """
    Raises:
        KeyFileError: it is not `project: key`, or a key would not say who calls.
    """
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError:
        raise KeyFileError("neither YAML nor JSON") from None
    said = {} if said is None else said
    if not isinstance(said, dict) or len(said) > MOST_KEYS:
        raise KeyFileError(f"not a mapping of at most {MOST_KEYS} projects")
    for number, (project, key) in enumerate(said.items(), 1):
        if not isinstance(project, str) or not isinstance(key, str) or len(key) < SHORTEST_KEY:
            # 1. Unnamed: in a file that is written the wrong way round, the key stands there.
            raise KeyFileError(f"entry {number} has no key of {SHORTEST_KEY} characters or more")
    if len({*said.values(), master}) != len(said) + 1:
        raise KeyFileError("a key is given twice, or is the master key")
    return {project: key.encode() for project, key in said.items()}
