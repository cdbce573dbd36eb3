"""Every check of a gateway's config, before anything is started: LiteLLM would ignore most of it.

What a laptop adds (local.yaml, fault_models.yaml) is not checked: it is ours, and has no price.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from local.checks.accounts import wrong_accounts
from local.checks.aliases import without_order, without_price
from local.checks.idle_settings import (
    idle_settings,
    langfuse_without_host,
    late_variables,
    unenforced_limits,
)
from local.checks.known_keys import misshapen, repeated_keys, unknown_keys
from local.checks.limits import wrong_numbers
from local.checks.modules import missing_modules
from local.checks.secrets import literal_secrets
from local.checks.source import Mistake, Mistakes, Source, read

OF_A_FILE = (
    repeated_keys, misshapen, unknown_keys, wrong_numbers, without_price, literal_secrets,
    idle_settings,
)  # fmt: skip
OF_ALL = (
    without_order, unenforced_limits, langfuse_without_host, late_variables, missing_modules,
    wrong_accounts,
)  # fmt: skip


def refuse_mistakes(files: Sequence[Path]) -> None:
    """
    Args:
        files: the gateway's config, then the overlays, in order. An overlay may have a key in it,
            and an alias without a price.

    Raises:
        Mistakes: there are some; all of them are said, file by file.
    """
    sources = [read(path, is_overlay=number > 0) for number, path in enumerate(files)]
    if found := sorted(
        set(mistakes(sources)), key=lambda m: (files.index(m.path), m.line, m.reason)
    ):
        raise Mistakes("\n".join(map(str, found)))


def mistakes(sources: Sequence[Source]) -> Iterator[Mistake]:
    for source in sources:
        yield from chain.from_iterable(check(source) for check in OF_A_FILE)
    yield from chain.from_iterable(check(sources) for check in OF_ALL)
