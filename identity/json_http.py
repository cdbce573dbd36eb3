"""One request and its answer, with JSON as the way of both."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

PATIENCE_SECONDS = 30


class RefusedError(Exception):
    """The other side said no; the message has its status and its words."""


def request(
    method: str,
    url: str,
    body: Any = None,
    *,
    form: dict[str, str] | None = None,
    token: str | None = None,
) -> Any:
    """The answer's JSON, or None when it has no body.

    Args:
        form: sent instead of a body, as a form.

    Raises:
        RefusedError: the status is not 2xx.
        OSError: there is nobody.
    """
    parts = urlsplit(url)
    kind = "application/json" if form is None else "application/x-www-form-urlencoded"
    sent = urlencode(form) if form is not None else None if body is None else json.dumps(body)
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    makes = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = makes(parts.netloc, timeout=PATIENCE_SECONDS)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise RefusedError(f"{method} {parts.path}: {answer.status} {text[:300]}")
    return json.loads(text) if text else None
