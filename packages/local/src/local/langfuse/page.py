"""The page for people: the traces, and each with its attempts. Everything in it is escaped."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.langfuse.memory import Memory, Trace
from local.langfuse.observations import Observation
from local.langfuse.records import latency, path_of, time_to_first_token

PAGES = Path(__file__).with_name("pages")
MOST_SHOWN = 200
MOST_CHARACTERS = 20_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@cache
def templates() -> Environment:
    found = Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined)
    found.filters |= {"usd": usd, "seconds": seconds, "clock": clock, "shortened": shortened}
    found.globals |= {
        "path_of": path_of,
        "latency": latency,
        "time_to_first_token": time_to_first_token,
        "models": models,
        "tokens": tokens,
        "is_failed": is_failed,
    }
    return found


def of_traces(memory: Memory, project: str) -> web.Response:
    """
    Args:
        project: whose traces, or "" for all.
    """
    traces = [
        trace for trace in memory.traces() if project in ("", trace.metadata.get("project_id"))
    ]
    shown = traces[:MOST_SHOWN]
    return html(
        "traces.html", traces=shown, of=len(traces), project=project, dropped=memory.dropped
    )


def of_trace(memory: Memory, trace_id: str) -> web.Response:
    trace = memory.trace(trace_id)
    if trace is None:
        return html("missing.html", status=404, trace_id=trace_id)
    return html("trace.html", trace=trace)


def html(name: str, *, status: int = 200, **values: Any) -> web.Response:
    text = templates().get_template(name).render(values)
    return web.Response(
        body=text.encode(errors="replace"),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers=HEADERS,
    )


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound(path_of(request.match_info["id"]))


async def style(_: web.Request) -> web.Response:
    text = (PAGES / "style.css").read_text(encoding="utf-8")
    return web.Response(text=text, content_type="text/css", headers=HEADERS)


def models(trace: Trace) -> str:
    named = dict.fromkeys(each.model for each in trace.generations if each.model)
    return ", ".join(named)


def tokens(one: Observation, direction: str) -> int:
    """All that went this way, the cached ones too."""
    return sum(number for name, number in one.usage.items() if direction in name)


def is_failed(observed: Trace | Observation) -> bool:
    """Whether it failed; a trace did when its last generation did."""
    if isinstance(observed, Observation):
        return observed.level == "ERROR"
    return (observed.generations or observed.observations)[-1].level == "ERROR"


def usd(cost: float | None) -> str:
    """An unknown price is no 0."""
    return "unknown" if cost is None else f"${cost:.10f}".rstrip("0").rstrip(".")


def seconds(length: float | None) -> str:
    return "" if length is None else f"{length:.2f} s"


def clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def shortened(said: str) -> str:
    over = len(said) - MOST_CHARACTERS
    return said if over <= 0 else f"{said[:MOST_CHARACTERS]}\n… and {over} characters more"
