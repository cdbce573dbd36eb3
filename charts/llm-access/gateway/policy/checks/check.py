"""`python -m policy.checks.check CONFIG [OVERLAY …]`: 2 and a `path:line: reason` for each mistake.

The same in `make run`, in `make chart` and when LiteLLM starts. Most of it is in
`config.schema.json`; beside this module is what a schema cannot say.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from policy.checks.config_file import ConfigFile, Mistake, read
from policy.checks.model_entries import unknown_aliases, without_order, without_price
from policy.checks.schema import against_schema
from policy.checks.secrets import literal_secrets
from policy.checks.settings import (
    late_variables,
    missing_modules,
    missing_policy,
    unenforced_limits,
)
from policy.refusal import PolicyError

OF_A_FILE = (against_schema, literal_secrets, without_price)
OF_ALL = (
    unknown_aliases, without_order, unenforced_limits, late_variables, missing_modules,
    missing_policy,
)  # fmt: skip


def refuse_mistakes(paths: Sequence[Path]) -> None:
    """
    Args:
        paths: the gateway's config, then the overlays of a laptop, in order.

    Raises:
        PolicyError: there are some; the message has a line for each, file by file.
    """
    files = [read(path, is_overlay=number > 0) for number, path in enumerate(paths)]
    found = sorted(set(mistakes(files)), key=lambda m: (paths.index(m.path), m.line, m.reason))
    if found:
        raise PolicyError("\n".join(map(str, found)))


def mistakes(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    for file in files:
        yield from file.repeated
        yield from chain.from_iterable(check(file) for check in OF_A_FILE)
    yield from chain.from_iterable(check(files) for check in OF_ALL)


if __name__ == "__main__":
    try:
        refuse_mistakes([Path(argument) for argument in sys.argv[1:]])
    except PolicyError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
