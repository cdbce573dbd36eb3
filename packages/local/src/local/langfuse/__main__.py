"""Run as `python -m local.langfuse --port N`, with `LANGFUSE_PUBLIC_KEY` and `…_SECRET_KEY`."""

import argparse
import os
import sys

from aiohttp import web

from local.langfuse.app import Keys, Langfuse, create_app
from local.run.ports import LOOPBACK


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.langfuse", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help=f"on {LOOPBACK}")
    port = parser.parse_args().port
    keys = Keys(os.environ["LANGFUSE_PUBLIC_KEY"], os.environ["LANGFUSE_SECRET_KEY"])
    try:
        web.run_app(create_app(Langfuse(keys)), host=LOOPBACK, port=port, shutdown_timeout=1)
    except OSError as error:
        print(f"Langfuse: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
