"""Asks pip-audit what is known against the locked versions: `make vulnerabilities`.

pip-audit says "no known vulnerabilities" also where its service knows none of the packages. So the
service is asked first for a version with a flaw that every service knows; where this one does not,
nothing was checked, and that is said. What is accepted is in accepted_findings.txt, with a reason.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PIP_AUDIT = str(Path(sys.executable).with_name("pip-audit"))
OPTIONS = ["--progress-spinner=off", "--disable-pip", "--no-deps", "--format=json"]
Service = list[str]
SERVICES: list[Service] = [["--vulnerability-service=pypi"], ["--vulnerability-service=osv"]]
WELL_KNOWN = "requests==2.31.0"
ACCEPTED = Path(__file__).with_name("accepted_findings.txt")


def asked(service: Service, file: Path) -> list[dict[str, Any]]:
    """What the service says of each package; nothing where it cannot be reached."""
    command = [PIP_AUDIT, *OPTIONS, *service, "--requirement", str(file)]
    said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return list(json.loads(said)["dependencies"]) if said else []


def working(services: list[Service]) -> Service | None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "well-known.txt")
        file.write_text(WELL_KNOWN, encoding="utf-8")
        for service in services:
            if any(package.get("vulns") for package in asked(service, file)):
                return service
    return None


def accepted(text: str) -> set[str]:
    """The ids of the lines that give a reason, too."""
    lines = (line.split(maxsplit=1) for line in text.splitlines() if not line.startswith("#"))
    return {words[0] for words in lines if len(words) == 2}


def findings(file: Path, packages: list[dict[str, Any]], let_off: set[str]) -> Iterator[str]:
    """A line for each finding, and for each package that the service does not know."""
    if not packages:
        yield f"{file}: NOT CHECKED: the service gave no answer"
    for package in packages:
        name = f"{file}: {package['name']} {package.get('version', '')}".rstrip()
        if "skip_reason" in package:
            yield f"{name}: NOT CHECKED: {package['skip_reason']}"
        for found in package.get("vulns", []):
            if not let_off & {found["id"], *found["aliases"]}:
                mended = ", ".join(found["fix_versions"]) or "no version yet"
                yield f"{name}: {found['id']}, mended in {mended}"


def main() -> int:
    """0 without a finding or, unless it is required, where nothing can be checked; else 1."""
    parser = argparse.ArgumentParser(prog="vulnerabilities", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="locked requirements")
    parser.add_argument("--required", action="store_true", help="not to know is an error")
    parser.add_argument("--osv-url", help="of a mirror; it is asked alone")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED)
    given = parser.parse_args()
    mirror = [["--vulnerability-service=osv", f"--osv-url={given.osv_url}"]]
    service = working(mirror if given.osv_url else SERVICES)
    if service is None:
        sys.stdout.write("NOT CHECKED for vulnerabilities: no service that knows any is reached\n")
        return 1 if given.required else 0
    let_off = accepted(given.accepted.read_text(encoding="utf-8"))
    found = [line for file in given.files for line in findings(file, asked(service, file), let_off)]
    for line in found:
        sys.stdout.write(f"{line}\n")
    if not found:
        sys.stdout.write(f"nothing is known against {len(given.files)} locked files\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
