"""A stream as a browser's EventSource reads it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from hearsay import heard


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: dict[str, Any]


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[Event | str]:
    """The events, and the comments as plain strings, in their order."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


async def read_stream(response: aiohttp.ClientResponse) -> list[Event]:
    """All events to the end, after checks that every stream has to pass."""
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    events = [event async for event in events_of(response) if isinstance(event, Event)]
    heard("streams", events)
    assert [event.id for event in events] == [str(n + 1) for n in range(len(events))]
    assert events[0].name == "meta"
    terminal = [event for event in events if event.name in {"done", "error"}]
    assert terminal == [events[-1]], "exactly one terminal event, at the end"
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "delta")
