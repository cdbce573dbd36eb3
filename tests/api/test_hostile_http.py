"""HTTP that no client would send: each request has one exact answer, and none of them a call."""

import pytest

from conftest import RunningProvider
from raw import CLOSE, PROMPT, chunked, exchange, get, post
from running import serving, settings_for

BAD_HTTP = "HTTP/1.1 400 Bad Request"
OK = "HTTP/1.1 200 OK"
PIECE = b"%x\r\n%b\r\n" % (len(PROMPT), PROMPT)
NAMED = b"X-Project-ID: demo\r\n"

MALFORMED = {
    "two lengths that differ": post(more=b"Content-Length: 5\r\n"),
    "two lengths that agree": post(more=b"Content-Length: %d\r\n" % len(PROMPT)),
    "a length and chunks": post(more=b"Transfer-Encoding: chunked\r\n", body=PIECE + b"0\r\n\r\n"),
    "a length below the body": post(length=5),
    "a negative length": post(length=-1),
    "a length of 26 digits": post(length=int("9" * 26)),
    "another coding than chunked": chunked(more=NAMED, pieces=PIECE).replace(b"chunked", b"xchunk"),
    "chunks not last": chunked(more=NAMED, pieces=PIECE).replace(b"chunked", b"chunked, gzip"),
    "two codings": chunked(more=NAMED + b"Transfer-Encoding: gzip\r\n", pieces=PIECE).replace(
        b"chunked", b"identity"
    ),
    "a space before the colon": chunked(more=NAMED, pieces=PIECE).replace(b"g: ch", b"g : ch"),
    "a chunk without a size": chunked(more=NAMED, pieces=b"zz\r\n"),
    "a negative chunk": chunked(more=NAMED, pieces=b"-1\r\n"),
    "a chunk of 72 bits": chunked(more=NAMED, pieces=b"f" * 18 + b"\r\n"),
    "a chunk after a bare line feed": chunked(more=NAMED, pieces=PIECE.replace(b"\r", b"", 1)),
    "no length": post().replace(b"Content-Length: %d\r\n" % len(PROMPT), b""),
    "a header with NUL": get("/health", more=b"X-A: a\0b\r\n"),
    "a header with ESC": get("/health", more=b"X-A: a\x1bb\r\n"),
    "a header with a bare CR": get("/health", more=b"X-A: a\rX-B: c\r\n"),
    "a header with a bare LF": get("/health", more=b"X-A: a\nX-B: c\r\n"),
    "a folded header": get("/llm/models", more=b"X-A: a\r\n b\r\n"),
    "a header without a colon": get("/health", more=b"nonsense\r\n"),
    "a header without a name": get("/health", more=b": nonsense\r\n"),
    "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost\n\n",
    "a path with NUL": get("/health\0"),
    "a path that is not ASCII": get("/h\xe9alth"),
    "a path without a slash": get("health"),
    "a path with a space": post("/llm/complete x"),
    "an unknown method": get("/llm/models", method="FOO"),
    "a method in small letters": get("/llm/models", method="get"),
    "CONNECT": get("example.com:443", method="CONNECT"),
    "HTTP/9.9": get("/health", version="9.9"),
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_http_ends_the_connection(provider: RunningProvider, data: bytes) -> None:
    before = len(provider.seen.calls)
    async with serving(settings_for(provider.url)) as service:
        said = await exchange(service.url, data)
    assert (said.status_line, said.answers, said.closed) == (BAD_HTTP, 1, True)
    assert said.body == b"Invalid HTTP request received."
    assert len(provider.seen.calls) == before


NOT_FOUND = "HTTP/1.1 404 Not Found"
NOT_ALLOWED = "HTTP/1.1 405 Method Not Allowed"
PATHS = [
    "//llm/complete",
    "/llm//complete",
    "/llm/complete/",
    "/LLM/Complete",
    "/health/../llm/complete",
    "/health/%2e%2e/llm/complete",
    "/llm/./complete",
    "/llm/complete;a=b",
    "/llm/%2563omplete",
    "/llm/complete%00",
    "/llm/complete%20",
    "/llm/complete%0d%0aX-Evil:%201",
    "/llm/complete%0a",
    "/llm/stream%0a?ticket=x",
    "/health%0a",
    "/llm\\complete",
    "/%ff%fe",
    "/docs/assets/../../../../etc/passwd",
    "/docs/assets/%2e%2e/%2e%2e/etc/passwd",
    "/docs/assets/%2fetc%2fpasswd",
    "/docs/assets/a%00b",
    "/docs/assets/%ed%a0%80",
    "/docs/assets/" + "a" * 5000,
    "/" + "a" * 60_000,
]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_another_spelling_of_a_path_is_another_path(
    provider: RunningProvider, method: str
) -> None:
    before = len(provider.seen.calls)
    request = get if method == "GET" else post
    async with serving(settings_for(provider.url)) as service:
        for path in PATHS:
            said = await exchange(service.url, request(path, more=CLOSE))
            is_asset = method == "POST" and path.startswith("/docs/assets/")
            expected = (NOT_ALLOWED, "method_not_allowed") if is_asset else (NOT_FOUND, "not_found")
            assert (said.status_line, said.code) == expected, path
            assert "evil" not in said.head.lower()
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize(
    "path",
    [
        "/llm/%63omplete",
        "/llm%2fcomplete",
        "http://evil.example/llm/complete",
        "https://evil.example:1/llm/complete",
        "/llm/complete#x",
        "/llm/complete?project_id=other&api_base=http://127.0.0.1:9",
    ],
)
@pytest.mark.parametrize("is_named", [True, False])
async def test_a_path_that_is_the_same_once_decoded_is_treated_the_same(
    provider: RunningProvider, path: str, is_named: bool
) -> None:
    before = len(provider.seen.calls)
    request = post(path, more=CLOSE)
    async with serving(settings_for(provider.url)) as service:
        if is_named:
            said = await exchange(service.url, request)
            assert (said.status_line, said.json["project_id"]) == (OK, "demo")
        else:
            said = await exchange(service.url, request.replace(NAMED, b""))
            assert (said.status_line, said.code) == ("HTTP/1.1 400 Bad Request", "project_missing")
    assert len(provider.seen.calls) == before + is_named


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("HEAD", "/llm/complete", "POST"),
        ("OPTIONS", "/llm/complete", "POST"),
        ("TRACE", "/llm/complete", "POST"),
        ("CONNECT", "/llm/complete", "POST"),
        ("PROPFIND", "/llm/complete", "POST"),
        ("HEAD", "/llm/models", "GET"),
        ("DELETE", "/llm/stream", "GET, POST"),
        ("POST", "/health", "GET, HEAD"),
        ("PUT", "/docs", "GET, HEAD"),
        ("POST", "/docs/assets/swagger-ui.css", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_there_is_told_those_that_are(
    provider: RunningProvider, method: str, path: str, allow: str
) -> None:
    async with serving(settings_for(provider.url)) as service:
        said = await exchange(service.url, get(path, method=method, more=CLOSE))
    assert said.status_line == NOT_ALLOWED
    assert f"\r\nallow: {allow}\r\n" in f"{said.head}\r\n".replace("Allow:", "allow:")
    assert (said.code == "method_not_allowed") is (method != "HEAD")
    assert (said.body == b"") is (method == "HEAD")


async def test_no_header_changes_the_method_the_path_or_the_project(
    provider: RunningProvider,
) -> None:
    before = len(provider.seen.calls)
    override = b"X-HTTP-Method-Override: POST\r\nX-HTTP-Method: POST\r\nX-Method-Override: POST\r\n"
    forwarded = (
        b"X-Original-URL: /llm/models\r\nX-Rewrite-URL: /llm/models\r\nX-Forwarded-Prefix: /llm\r\n"
        b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\n"
        b"Forwarded: for=127.0.0.1;host=evil.example\r\nX-Forwarded-Path: /llm/models\r\n"
    )
    async with serving(settings_for(provider.url)) as service:
        said = await exchange(service.url, get("/llm/complete?_method=POST", more=override))
        assert (said.status_line, said.code) == (NOT_ALLOWED, "method_not_allowed")
        said = await exchange(service.url, get("/health", more=forwarded))
        assert (said.status_line, said.body) == (OK, b'{"status":"ok"}')
        said = await exchange(service.url, get("/", more=forwarded))
        assert said.status_line == "HTTP/1.1 307 Temporary Redirect"
        assert "\r\nlocation: docs" in said.head
        said = await exchange(service.url, get("/docs", more=forwarded))
        assert said.status_line == OK
        assert b"evil" not in said.body
        assert b'"/openapi.json"' in said.body or b"'/openapi.json'" in said.body
        unnamed = get("/llm/models", more=b"X_Project_ID: demo\r\n").replace(NAMED, b"", 1)
        said = await exchange(service.url, unnamed)
        assert (said.status_line, said.code) == ("HTTP/1.1 400 Bad Request", "project_missing")
    assert len(provider.seen.calls) == before


async def test_older_http_is_answered_and_the_connection_closed(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        for data in (b"GET /health\r\n\r\n", get("/health", version="1.0")):
            said = await exchange(service.url, data)
            assert (said.status_line, said.body, said.closed) == (OK, b'{"status":"ok"}', True)
        said = await exchange(service.url, post(version="1.0"))
        assert (said.status_line, said.closed) == (OK, True)


async def test_requests_in_one_read_are_answered_in_their_order(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        said = await exchange(service.url, get("/health") + get("/nothing") + get("/health"))
    assert said.answers == 3
    assert said.data.index(b" 200 ") < said.data.index(b" 404 ") < said.data.rindex(b" 200 ")
