"""A body is one JSON text in UTF-8 that can be read in one way only; any other is refused as a 422.

Python's parser would take the last of two equal names, `NaN`, and UTF-16. A proxy in between or
the next service might see another prompt in the same bytes than was checked here.
"""

import json
import math
from collections.abc import Callable, Coroutine
from email.message import Message
from functools import cache
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from chassis.errors import InvalidRequest
from chassis.http.disconnect import ClientDisconnected

JSON = "application/json"
MOST_FIELDS = 64
"""Of one object: each that is not known is an error to be told, and a body has room for many."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictJsonRoute(APIRoute):
    """A route whose body, where it has one, is read here before FastAPI sees it."""

    def get_route_handler(self) -> Handler:
        """See `APIRoute`."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def with_strict_json(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            try:
                await strict.json()
            except ClientDisconnect:
                raise ClientDisconnected from None
            return await handle(strict)

        return with_strict_json


class StrictRequest(Request):
    """A request whose `json()` is strict.

    Raises:
        InvalidRequest: the body is not what the module says; `errors` names the place.
    """

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            refuse_codings(self.headers.getlist("Content-Encoding"))
            body = await self.body()
            if body:
                refuse_other_types(self.headers.getlist("Content-Type"))
            self._json = parsed(body) if body else None
        return self._json


def refuse_codings(codings: list[str]) -> None:
    if any(coding.strip().lower() not in {"", "identity"} for coding in codings):
        refuse(["header", "Content-Encoding"], "a coded body is not taken: send it as it is")


def refuse_other_types(types: list[str]) -> None:
    if types == [JSON]:
        return
    message = Message()
    message["Content-Type"] = types[0] if len(types) == 1 else ""
    kind = message.get_content_type()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        refuse(["header", "Content-Type"], f"must be {JSON}, once")


def parsed(body: bytes) -> Any:
    """The value of this JSON text; a byte order mark before it is ignored (RFC 8259, 8.1).

    Raises:
        InvalidRequest: it is none, or says the same name twice in one object, or has numbers that
            are no JSON, or is deeper than Python's parser goes.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(["body", error.start], "must be UTF-8")
    try:
        return decoder().decode(text)
    except json.JSONDecodeError as error:
        refuse(["body", error.pos], "JSON decode error", "json_invalid")
    except RecursionError:
        refuse(["body"], "is nested too deeply")
    except ValueError:
        refuse(["body"], "has an integer of too many digits")


@cache
def decoder() -> json.JSONDecoder:
    """The strict one; to make it takes longer than most bodies do."""
    return json.JSONDecoder(
        object_pairs_hook=of_pairs, parse_constant=not_a_number, parse_float=finite
    )


def of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_FIELDS:
        refuse(["body"], f"has an object of more than {MOST_FIELDS} fields")
    fields = dict(pairs)
    if len(fields) < len(pairs):
        refuse(["body"], "says the same field twice")
    return fields


def not_a_number(_: str) -> NoReturn:
    refuse(["body"], "NaN and Infinity are no JSON")


def finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        refuse(["body"], "has a number out of range")
    return number


def refuse(place: list[str | int], message: str, kind: str = "value_error") -> NoReturn:
    invalid = InvalidRequest(message)
    invalid.extra["errors"] = [{"loc": place, "msg": message, "type": kind}]
    raise invalid
