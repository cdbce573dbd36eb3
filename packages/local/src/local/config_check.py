"""The check of the gateway's config: the policy's own, which runs in the pod as well."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.run.config import ConfigError

ROOT = Path(__file__).parents[4]
(CONFIG,) = ROOT.glob("charts/*/gateway/config.yaml")


class Mistakes(ConfigError):
    """A config cannot be used. The message has a line for each mistake: `path:line: reason`."""


def refuse_mistakes(files: Sequence[Path]) -> None:
    """
    Args:
        files: the gateway's config, then the overlays, in order.

    Raises:
        Mistakes: there are some.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "policy.checks.check", *files],
        env=os.environ | {"PYTHONPATH": str(CONFIG.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise Mistakes(ended.stderr.rstrip("\n"))
