"""What the config names: `policy.hooks.entry.admission` and the others, for LiteLLM to call.

LiteLLM imports this module anew for each name in the config. What is to be there once for the
process is in modules that are imported the ordinary way.
"""

import os
import sys
from pathlib import Path

if str(Path(__file__).parents[2]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parents[2]))

from policy.hooks import (
    langfuse,  # removable: langfuse
    trace_exports,
    usage_route,
)
from policy.hooks.admission import Admission
from policy.hooks.answers import Attribution
from policy.hooks.auth import authenticated
from policy.hooks.fallback import Fallback
from policy.hooks.finish_reasons import FinishReasons
from policy.hooks.metrics import Metrics, serve_metrics
from policy.hooks.router import resolved
from policy.refusal import PolicyError
from policy.state import open_state

__all__ = ["admission", "attribution", "authenticated", "fallback", "finish_reasons", "metrics"]

try:
    open_state(resolved)
except PolicyError as error:
    # 1. Of an exception, SystemExit too, LiteLLM's server makes a traceback and a code of its own.
    sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    os._exit(2)

admission = Admission()
attribution = Attribution()
fallback = Fallback()
finish_reasons = FinishReasons()
metrics = Metrics()
langfuse.turn_on()  # removable: langfuse
trace_exports.turn_on()
serve_metrics()
usage_route.serve()
