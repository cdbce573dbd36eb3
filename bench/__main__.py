"""`python -m bench`: measures the service against the seed's snippet and prints what came out.

Run it from the repository's root. Exit code 1: a process failed, an answer was wrong, or --check
was given and a target was missed.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from bench.load import WrongAnswerError
from bench.measure import FULL, QUICK, Run
from bench.process import StartError
from bench.report import as_json, row, tables, verdicts

OUTPUT = Path(".run")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two starts, one short round")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
    arguments = parser.parse_args()

    logs = OUTPUT / "bench"
    logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = QUICK if arguments.quick else FULL
    try:
        results = Run(plan, logs).measure()
    except* (StartError, WrongAnswerError, TimeoutError) as failures:
        for failure in failures.exceptions:
            print(f"bench: {type(failure).__name__}: {failure}", file=sys.stderr)
        print(f"bench: the services' own words are in {logs}/", file=sys.stderr)
        sys.exit(1)

    rows = {name: row(result) for name, result in results.items()}
    judged = verdicts(rows)
    report = tables(rows, judged)
    print(report)
    (OUTPUT / "bench.json").write_text(json.dumps(as_json(plan, results, judged), indent=2) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(report + "\n")
    return int(arguments.check and not all(each.met for each in judged))


if __name__ == "__main__":
    sys.exit(main())
