"""The numbers as people read them, in Markdown, the project's targets, and the JSON of it all."""

import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import repeat
from statistics import median
from typing import Any

from bench.measure import Plan, Result

BASELINE = "snippet"
PACKAGES = ("litellm", "fastapi", "starlette", "uvicorn", "uvloop", "aiohttp")


@dataclass(frozen=True)
class Verdict:
    """One target of the project and what was measured."""

    what: str
    goal: str
    measured: str
    met: bool


def row(result: Result) -> dict[str, float]:
    """The one number per column: the best start, the median of the rounds, the last memory."""
    return {
        "live_seconds": min(result.live_seconds),
        "live_mb": median(result.live_mb),
        "idle_mb": median(result.idle_mb),
        "loaded_mb": result.loaded_mb[-1],
        "requests_per_second": median(result.requests_per_second),
        "request_ms": median(result.request_ms),
        "request_cpu_us": median(result.request_cpu_us),
        "chunks_per_second": median(result.chunks_per_second),
        "chunk_cpu_us": median(result.chunk_cpu_us),
    }


def verdicts(rows: dict[str, dict[str, float]]) -> list[Verdict]:
    """The project's targets against this run."""

    def ratio(what: str, name: str, column: str, least: float) -> Verdict:
        times = rows[name][column] / rows[BASELINE][column]
        return Verdict(f"{name}: {what}", f">= {least:g}x", f"{times:.1f}x", times >= least)

    def below(what: str, column: str, limit: float, unit: str) -> Verdict:
        value = rows["wire"][column]
        return Verdict(f"wire: {what}", f"< {limit:g} {unit}", f"{value:.3g} {unit}", value < limit)

    return [
        ratio("requests/s against the snippet", "wire", "requests_per_second", 8),
        ratio("chunks/s against the snippet", "wire", "chunks_per_second", 20),
        ratio("chunks/s against the snippet", "litellm", "chunks_per_second", 10),
        below("start to the first 200 of /health/live", "live_seconds", 1.0, "s"),
        below("memory before the first call", "idle_mb", 90.0, "MB"),
    ]


def tables(rows: dict[str, dict[str, float]], judged: list[Verdict]) -> str:
    """Two Markdown tables: every target's numbers, then what was aimed at."""
    base = rows[BASELINE]
    measured = [
        {
            "target": name,
            "requests/s": f"{cells['requests_per_second']:,.0f}",
            "times": f"{cells['requests_per_second'] / base['requests_per_second']:.1f}",
            "p50 ms": number(cells["request_ms"]),
            "CPU us/request": number(cells["request_cpu_us"]),
            "chunks/s": f"{cells['chunks_per_second']:,.0f}",
            "times ": f"{cells['chunks_per_second'] / base['chunks_per_second']:.1f}",
            "CPU us/chunk": number(cells["chunk_cpu_us"]),
            "start s": f"{cells['live_seconds']:.2f}",
            "MB live": number(cells["live_mb"]),
            "idle": number(cells["idle_mb"]),
            "loaded": number(cells["loaded_mb"]),
        }
        for name, cells in rows.items()
    ]
    aims = [
        {
            "aim": each.what,
            "goal": each.goal,
            "measured": each.measured,
            "verdict": "met" if each.met else "MISSED",
        }
        for each in judged
    ]
    return f"{markdown(measured)}\n\n{markdown(aims)}"


def number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def markdown(body: list[dict[str, str]]) -> str:
    """A table of the rows, the first column to the left and the others to the right."""
    heads = list(body[0])
    lines = [heads, *(list(cells.values()) for cells in body)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [">" if column else "<" for column in range(len(heads))]

    def line(cells: list[str], fill: str = " ") -> str:
        padded = map("{:{}{}{}}".format, cells, repeat(fill), aligned, widths)
        return f"| {' | '.join(padded)} |"

    rule = [":" if align == ">" else "-" for align in aligned]
    return "\n".join([line(heads), line(rule, "-"), *map(line, lines[1:])])


def as_json(plan: Plan, results: dict[str, Result], judged: list[Verdict]) -> dict[str, Any]:
    """Everything measured, round by round, with what it was measured on."""
    return {
        "plan": asdict(plan),
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in PACKAGES},
        "results": {name: without_nan(asdict(result)) for name, result in results.items()},
        "verdicts": [asdict(each) for each in judged],
    }


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def without_nan(columns: dict[str, list[float]]) -> dict[str, list[float | None]]:
    return {
        name: [None if math.isnan(value) else value for value in values]
        for name, values in columns.items()
    }
