"""`${VARIABLE}` and `${file:/path}` in a value of the upstreams file, and what stands for them.

What stands for them is masked in whatever this process writes.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from chassis.redaction import keep_out
from runtime_mcp.upstreams.errors import UpstreamDown

REFERENCE = re.compile(r"\$\{(?:file:(?P<path>/[^{}]+)|(?P<variable>[A-Za-z_][A-Za-z0-9_]*))\}")


class SecretMissing(ValueError):
    """Says which one, and never what was there."""


class Secrets:
    """
    Args:
        environment: the gateway's own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._kept_out: set[str] = set()

    def check(self, text: str) -> None:
        """Whether each variable of this value is there; files may come later.

        Raises:
            SecretMissing: one is not, or it is empty.
            ValueError: `${` is not the begin of a reference.
        """
        if "${" in REFERENCE.sub("", text):
            raise ValueError("${ begins neither ${VARIABLE} nor ${file:/path}")
        for found in REFERENCE.finditer(text):
            if found["variable"]:
                self._variable(found["variable"])

    def filled(self, text: str) -> str:
        """The value as it is now; its files are read each time.

        Raises:
            SecretMissing: a variable or a file is not there, or is empty.
        """
        return REFERENCE.sub(self._what_stands_for, text)

    def filled_all(self, where: str, values: Mapping[str, str]) -> dict[str, str]:
        """All of these values as they are now.

        Raises:
            UpstreamDown: a variable or a file is not there, or is empty.
        """
        filled = {}
        for name, value in values.items():
            try:
                filled[name] = self.filled(value)
            except SecretMissing as error:
                raise UpstreamDown(f"{where}.{name}: {error}") from None
        return filled

    def _what_stands_for(self, found: re.Match[str]) -> str:
        variable = found["variable"]
        value = self._variable(variable) if variable else of_file(found["path"])
        if value not in self._kept_out:
            keep_out(value)
            self._kept_out.add(value)
        return value

    def _variable(self, name: str) -> str:
        value = self._environment.get(name)
        if not value:
            raise SecretMissing(f"the variable {name} is not set")
        return value


def of_file(path: str) -> str:
    try:
        value = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise SecretMissing(f"the file {path} cannot be read ({why})") from None
    if not value:
        raise SecretMissing(f"the file {path} is empty")
    return value
