"""Ways in which a network, or what speaks HTTP on it, breaks an answer, by name."""

from wire_faults import Act
from wire_parts import (
    EVENTS,
    JSON,
    MEGABYTE,
    PIECES,
    SECRET,
    SOON,
    Fault,
    answer,
    chunk,
    chunked,
    deltas,
    events,
    head,
    one_by_one,
    problem,
    refused,
    same,
    sized,
    streamed,
)

HTML = f"<html><body>{SECRET}</body></html>".encode()
HALF = len(answer()) // 2
POISON = sized(answer(message={"content": "poison"})).replace(b"Connection: close\r\n", b"")
FIFTY_MEGABYTES = f"Content-Length: {50 * 1024 * 1024}"
HUGE_BODY = [head(), b'{"choices": [{"message": {"content": "', *[MEGABYTE] * 50]

NETWORK = {
    "close-before-headers": same(),
    "reset-before-headers": same(Act.RESET),
    "close-in-headers": same(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "reset-in-headers": same(b"HTTP/1.1 200 OK\r\nContent-Ty", SOON, Act.RESET),
    "not-http": same(b"SSH-2.0-" + SECRET.encode() + b"\r\n"),
    "reset-after-headers": same(head(), SOON, Act.RESET),
    "reset-in-body": Fault(
        [sized(answer())[:-HALF], SOON, Act.RESET],
        [*streamed(chunk({"content": PIECES[0]})), SOON, Act.RESET],
    ),
    "close-in-body": Fault(
        [sized(answer())[:-HALF]], streamed(chunk({"content": PIECES[0]}), b'data: {"choi')
    ),
    "hang-before-headers": same(Act.HANG),
    "hang-in-headers": same(b"HTTP/1.1 200 OK\r\n", Act.HANG),
    "hang-between-chunks": Fault(
        [sized(answer())[:-HALF], Act.HANG],
        [*streamed(chunk({"content": PIECES[0]})), Act.HANG],
    ),
    "hang-after-last-token": Fault(
        [sized(answer())[:-1], Act.HANG], [*streamed(deltas()), Act.HANG]
    ),
    "hang-after-finish": Fault(
        [sized(answer())[:-1], Act.HANG], [*streamed(deltas(), chunk(finish="stop")), Act.HANG]
    ),
    "reset-after-finish": Fault(
        [sized(answer()), SOON, Act.RESET],
        [*streamed(deltas(), chunk(finish="stop")), SOON, Act.RESET],
    ),
    "one-byte-a-second": Fault(
        one_by_one(sized(answer()), 1), [head(kind=EVENTS), *one_by_one(events(), 1)]
    ),
}

HTTP = {
    "status-413": refused("413", problem(kind="invalid_request_error")),
    "status-413-html": refused("413", HTML, kind="text/html"),
    "status-529": refused("529", problem()),
    "status-529-html": refused("529", HTML, kind="text/html"),
    "html-200": same(sized(HTML, kind="text/html")),
    "html-502": refused("502", HTML, kind="text/html"),
    "empty-200": same(sized(b"")),
    "status-204": same(head("204 No Content")),
    "status-302": same(sized(b"", "302 Found", JSON, "Location: /elsewhere")),
    "status-101": same(head("101 Switching Protocols", JSON, "Upgrade: websocket")),
    "status-103-first": Fault(
        [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", sized(answer())],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", *streamed(events())],
    ),
    "wrong-type": Fault([sized(answer(), kind="text/plain")], [head(kind="text/plain"), events()]),
    "huge-body": Fault(HUGE_BODY, [head(kind=EVENTS), b"data: ", *[MEGABYTE] * 50]),
    "huge-body-announced": same(head("200 OK", JSON, FIFTY_MEGABYTES), *[MEGABYTE] * 50),
    "huge-error-body": same(head("500 Oops"), *[MEGABYTE] * 50),
    "shorter-than-announced": Fault(
        [head("200 OK", JSON, "Content-Length: 9999") + answer()],
        [head("200 OK", EVENTS, "Content-Length: 9999"), deltas()],
    ),
    "longer-than-announced": Fault(
        [sized(answer()).replace(b"Connection: close\r\n", b"") + POISON, Act.NEXT],
        [
            sized(events(), kind=EVENTS).replace(b"Connection: close\r\n", b"") + POISON,
            Act.NEXT,
        ],
    ),
    "broken-chunking": Fault(
        [head("200 OK", JSON, "Transfer-Encoding: chunked"), chunked(answer()[:50]), b"zz\r\n"],
        [
            head("200 OK", EVENTS, "Transfer-Encoding: chunked"),
            chunked(chunk({"content": PIECES[0]})),
            SOON,
            b"zz\r\n" + SECRET.encode(),
        ],
    ),
    "thousands-of-headers": Fault(
        [sized(answer(), "200 OK", JSON, *(f"X-H{n}: {n}" for n in range(5000)))],
        [head("200 OK", EVENTS, *(f"X-H{n}: {n}" for n in range(5000))), events()],
    ),
    "one-huge-header": Fault(
        [sized(answer(), "200 OK", JSON, "X-H: " + "h" * 1024 * 1024)],
        [head("200 OK", EVENTS, "X-H: " + "h" * 1024 * 1024), events()],
    ),
}
